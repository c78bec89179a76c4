"""Personal data in a text: numbers and addresses that name a person, checked where they can be.

E-mail addresses, phone numbers, payment cards (Luhn), bank accounts (IBAN, mod 97), US social
security numbers, Chinese resident identity numbers (check digit and birth date) and IP addresses.
Names of people and streets are not found: that takes a model (``autogpt tag``), and rules would
claim what they cannot keep. Masking is reversible, see ``masking``.

Sources: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN; lengths from the SWIFT registry, release 98, 2024),
GB 11643-1999 with ISO 7064 MOD 11-2, SSA "Randomization of SSNs" (2011), ITU-T E.164, YD/T (Chinese
mobile numbers begin with 13 to 19).
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import string
from collections.abc import Callable, Iterator

from autogpt.safety.normalize import Normalized, normalize
from autogpt.safety.spans import Span, without_overlaps

__all__ = ["find_personal", "is_card", "is_iban", "is_resident_id"]

# Not beside what would make it part of a longer number, name or code.
_BEFORE = r"(?<![A-Za-z0-9_])(?<![0-9][.-])"
_AFTER = r"(?![A-Za-z0-9_])(?![.-][0-9])"


def _bounded(pattern: str) -> re.Pattern[str]:
    return re.compile(f"{_BEFORE}(?:{pattern}){_AFTER}")


_LENGTHS = (
    "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 "
    "CY:28 CZ:24 DE:22 DJ:27 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 "
    "GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 "
    "KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MN:20 "
    "MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 "
    "RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 "
    "UA:29 VA:22 VG:24 XK:20 YE:30"
)
_IBAN_LENGTHS = {pair[:2]: int(pair[3:]) for pair in _LENGTHS.split()}


def is_card(digits: str) -> bool:
    """Whether 13 to 19 digits are a payment card's number: a known first digit and Luhn's sum."""
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456" or len(set(digits)) == 1:
        return False
    weighted = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in weighted) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether letters and digits, without spaces, are an account: its country's length, mod 97."""
    if _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


_ID_WEIGHTS = [pow(2, 17 - place, 11) for place in range(17)]


def is_resident_id(text: str) -> bool:
    """Whether 18 characters are a Chinese resident identity number: a date, a check digit."""
    try:
        born = datetime.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    if not 1880 <= born.year <= 2100 or not 11 <= int(text[:2]) <= 91:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, text, strict=False))
    return "10X98765432"[total % 11] == text[17].upper()


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # The machine itself, nobody and everybody are no person's address.
    plain = str(address)
    return not (address.is_loopback or address.is_unspecified or plain == "255.255.255.255")


def _compact(text: str) -> str:
    return re.sub(r"[ \u00a0.-]", "", text)


def _count_digits(text: str) -> int:
    return sum(character.isdigit() for character in text)


_LOCAL = string.ascii_letters + string.digits + ".!#$%&'*+/=?^_`{|}~-"  # what stands before the @
_LONGEST_LOCAL = 64
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9.!#$%&'*+/=?^_`{|}~-])[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{0,63}"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z][A-Za-z0-9-]{0,22}[A-Za-z]"
)
_IBAN = _bounded(r"[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{1,4}){3,8}")
_IP4 = re.compile(
    r"(?<![A-Za-z0-9_.])(?<![vV] )(?<![Vv]ersion )"
    r"(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_])(?!\.[0-9])"
)
_IP6 = re.compile(r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{0,37}(?<!\.)(?![A-Za-z0-9_])")
_CARD = _bounded(
    r"[2-6]\d{12,18}|[2-6]\d{3}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}"
    r"|3\d{3}(?P<gap2>[ -])\d{6}(?P=gap2)\d{4,5}"
)
_RESIDENT = _bounded(r"[1-9]\d{5} ?(?:18|19|20)\d{6} ?\d{3}[0-9Xx]")
_SSN = _bounded(r"(?!000|666|9\d\d)\d{3}(?P<gap>[- ])(?!00)\d{2}(?P=gap)(?!0000)\d{4}")
_MOBILE = re.compile(
    r"(?<![A-Za-z0-9_.+-])(?:(?:\+|00)?\(?86\)?[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}" + _AFTER
)
_PHONE = re.compile(
    r"(?<![A-Za-z0-9_+.-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,5}"
    r"|(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}"
    r"|\(?0\d{2,3}\)?[- ]\d{7,8}"
    r"|\(?0\d{2,5}\)?[ -]\d{3,4}[ -]?\d{3,4}"
    r")" + _AFTER
)  # fmt: skip

_Check = Callable[[str], bool]
# What is checked more strictly comes first, and keeps a place that others claim too.
_KINDS: tuple[tuple[str, str, re.Pattern[str], _Check], ...] = (
    ("resident_id", "", _RESIDENT, lambda text: is_resident_id(_compact(text))),
    ("card", "", _CARD, lambda text: is_card(_compact(text))),
    ("ip", ".", _IP4, _is_address),
    ("phone", "1", _MOBILE, lambda _: True),
    ("ssn", "", _SSN, lambda _: True),
    ("phone", "", _PHONE, lambda text: 8 <= _count_digits(text) <= 15),
)
# The first character is taken before its kind is asked for: so most of a text is passed over fast.
_HAS_DIGITS = re.compile(
    r"[\d:](?:(?<=\d)(?:[\d .()-]{5,}\d|\d*\.\d+\.)|(?<=:)(?::|[0-9A-Fa-f]{1,4}:))"
)


def find_personal(text: str | Normalized) -> list[Span]:
    """Return where personal data is, in order, none overlapping.

    Args:
        text: Any Unicode; full-width digits and invisible characters are no disguise.
    """
    read = normalize(text) if isinstance(text, str) else text
    return without_overlaps(list(_matches(read)))


def _matches(read: Normalized) -> Iterator[Span]:
    text = read.text
    has_digits = _HAS_DIGITS.search(text) is not None
    finders = [_by_pattern(*kind) for kind in _KINDS] if has_digits else []
    # What is found is blanked, so that a looser pattern does not take a part of it.
    for finder in (_emails, _accounts, *finders, _new_addresses):
        found = list(finder(text))
        for kind, start, end in found:
            yield read.span(f"personal.{kind}", start, end)
        for _, start, end in found:
            text = text[:start] + "\0" * (end - start) + text[end:]


_Found = Iterator[tuple[str, int, int]]


def _emails(text: str) -> _Found:
    """Find addresses from their @ on: where one begins cannot be told from what follows."""
    end, at = 0, text.find("@")
    while at >= 0:
        before = text[max(0, at - _LONGEST_LOCAL - 1) : at]
        begin = at - len(before) + len(before.rstrip(_LOCAL))
        match = _EMAIL.match(text, begin) if begin >= end else None
        if match is not None and ".." not in match[0]:
            end = match.end()
            yield "email", begin, end
        at = text.find("@", at + 1)


def _by_pattern(
    kind: str, needle: str, pattern: re.Pattern[str], accepts: _Check
) -> Callable[[str], _Found]:
    def find(text: str) -> _Found:
        match = pattern.search(text) if needle in text else None
        while match is not None:
            begin, end = match.span()
            while end > begin and not accepts(text[begin:end]):
                # Another number may stand behind it: without its last group it may be one.
                end = text.rfind(" ", begin, end)
            if end > begin:
                yield kind, begin, end
            match = pattern.search(text, max(end, begin + 1))

    return find


def _accounts(text: str) -> _Found:
    """Find bank accounts; words that follow one in capitals are not part of it."""
    for match in _IBAN.finditer(text):
        found = match[0]
        length = _IBAN_LENGTHS.get(found[:2], 0)
        taken = [place for place, each in enumerate(found, start=1) if each.isalnum()]
        if length and len(taken) >= length:
            end = taken[length - 1]
            whole = end == len(found) or not found[end].isalnum()
            if whole and is_iban(re.sub("[ -]", "", found[:end])):
                yield "iban", match.start(), match.start() + end


def _new_addresses(text: str) -> _Found:
    """Find addresses of IP version 6; a word and a colon may stand before one."""
    if text.count(":") < 2:
        return
    for match in _IP6.finditer(text):
        begin, end = match.span()
        before = text[begin - 1 : begin]
        if before.isascii() and (before.isalnum() or before in ("_", ":", ".")) and before:
            begin = text.index(":", begin) + 1
        if text[begin : begin + 1] == ":" and text[begin + 1 : begin + 2] != ":":
            begin += 1
        found = text[begin:end] if text.endswith("::", 0, end) else text[begin:end].rstrip(":")
        if _is_address(found):
            yield "ip", begin, begin + len(found)
