"""Keys, tokens and passwords in a text, by the formats their issuers publish.

Each format has a needle, a short string that must be there, so that a text without keys costs a
few searches of C speed. Matches are greedy over the format's alphabet: whatever follows a key and
could be part of it goes with it, so that no byte of a secret stays behind. A key of no known format
is found only where the text says what it is (``password = ...``). Not here: personal data.

Sources: the issuers' own documentation as collected in the rules of gitleaks 8 (2024, MIT) and
GitHub's "Supported secret scanning patterns" (2024); RFC 7519 (JWT), RFC 7468 (key blocks).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from autogpt.safety.normalize import Normalized, normalize
from autogpt.safety.prefilter import holds_any
from autogpt.safety.spans import Span, merge_spans

__all__ = ["FORMATS", "find_secrets", "redact_secrets"]

_BEFORE = "(?<![A-Za-z0-9])"


@dataclass(frozen=True)
class _Format:
    """One format of keys; the group ``secret`` is what is to be hidden, else the whole match."""

    name: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    accepts: Callable[[str], bool] | None = None
    ignores_case: bool = False


def _format(name: str, needles: str, pattern: str, *, bounded: bool = True) -> _Format:
    before = _BEFORE if bounded else ""
    return _Format(name, tuple(needles.split()), re.compile(before + pattern))


def _is_random(value: str) -> bool:
    """Whether letters and digits are mixed as nobody writes words; 3 bits a character or more."""
    counts = Counter(value)
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return mixed and entropy >= 3.0


def _is_password(value: str) -> bool:
    kinds = (str.isdigit, str.isalpha, lambda c: not c.isalnum())
    return sum(any(kind(c) for c in value) for kind in kinds) >= 2


_KEY = "[A-Za-z0-9_-]"
_ASSIGNED = re.compile(
    r"(?i)(?:api[_ -]?key|secret[_ -]?key|access[_ -]?key|access[_ -]?token|auth[_ -]?token|"
    r"client[_ -]?secret|bearer|密钥|令牌)[\"']?\s*(?:[:=]|=>|是|\s)\s*[\"']?"
    r"(?P<secret>[A-Za-z0-9_\-+/=.~]{16,})"
)
_PAIRS = ("api key", "secret key", "access key", "access token", "auth token", "client secret")
_NAMES = (
    *(pair.replace(" ", gap) for pair, gap in product(_PAIRS, ("", "_", " ", "-"))),
    *("bearer", "密钥", "令牌"),
)
_PASSWORD = re.compile(
    r"(?i)(?:password|passwd|passphrase|\bpwd|密码|口令)[\"']?\s*(?:[:=]|=>|是|为|\bis\b)\s*"
    r"[\"']?(?P<secret>[^\s\"'<>,;，。；、]{6,})"
)

FORMATS: tuple[_Format, ...] = (
    _Format(
        "private_key",
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r".*?(?:-----END[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
    ),
    _format(
        "aws",
        "AKIA ASIA ABIA ACCA AGPA AIDA AROA AIPA ANPA ANVA A3T",
        r"(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|A3T[A-Z0-9])[A-Z0-9]{16,}",
    ),
    _Format(
        "aws_secret",
        ("aws",),
        re.compile(r"(?i)aws.{0,24}?(?:secret|key).{0,24}?(?P<secret>[A-Za-z0-9/+=]{40,})"),
        _is_random,
        ignores_case=True,
    ),
    _format("github", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,}"),
    _format("github", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}"),
    _format(
        "gitlab",
        "glpat- gldt- glrt- glcbt- glptt- glsoat- glagent- gloas-",
        rf"gl(?:pat|dt|rt|cbt|ptt|soat|agent|oas)-{_KEY}{{20,}}",
    ),
    _format("anthropic", "sk-ant-", rf"sk-ant-{_KEY}{{20,}}"),
    _format("openai", "sk-", rf"sk-(?:proj|svcacct|admin|None|service)-{_KEY}{{20,}}"),
    _format("openrouter", "sk-or-", rf"sk-or-{_KEY}{{20,}}"),
    _format("openai", "sk-", r"sk-[A-Za-z0-9]{20,}"),
    _format("huggingface", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z0-9]{30,}"),
    _format("google", "AIza", rf"AIza{_KEY}{{35,}}"),
    _format("google_oauth", "ya29. GOCSPX-", r"(?:ya29\.|GOCSPX-)[A-Za-z0-9_.-]{20,}"),
    _format(
        "slack",
        "xox xapp-",
        r"(?:xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,})",
    ),
    _format(
        "slack_webhook",
        "hooks.slack.com",
        r"(?:https?://)?hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/+_-]{10,}",
    ),
    _format("stripe", "sk_ rk_ pk_", r"[srp]k_(?:live|test|prod)_[A-Za-z0-9]{10,}"),
    _format("stripe_webhook", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,}"),
    _format("jwt", "eyJ", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    _format("npm", "npm_", r"npm_[A-Za-z0-9]{36,}"),
    _format("pypi", "pypi-", rf"pypi-{_KEY}{{50,}}"),
    _format("sendgrid", "SG.", rf"SG\.{_KEY}{{16,}}\.{_KEY}{{16,}}"),
    _format("twilio", "SK", r"SK[0-9a-f]{32,}"),
    _format("telegram", ":AA", rf"\d{{8,10}}:AA{_KEY}{{32,}}"),
    _format(  # what stands before it is asked behind its first letter, which is found fast
        "discord",
        ".",
        rf"[MNO](?<![A-Za-z0-9].){_KEY}{{23,27}}\.{_KEY}{{6}}\.{_KEY}{{27,}}",
        bounded=False,
    ),
    _format(
        "digitalocean", "doo_v1_ dop_v1_ dor_v1_ dos_v1_ dot_v1_", r"do[oprst]_v1_[a-f0-9]{64,}"
    ),
    _format("azure_storage", "AccountKey=", r"AccountKey=(?P<secret>[A-Za-z0-9+/=]{40,})"),
    _format("databricks", "dapi", r"dapi[a-f0-9]{32,}(?:-\d)?"),
    _format("shopify", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32,}"),
    _format("square", "sq0", rf"sq0[a-z]{{3}}-{_KEY}{{22,}}"),
    _format("groq", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    _format("xai", "xai-", r"xai-[A-Za-z0-9]{60,}"),
    _format("replicate", "r8_", r"r8_[A-Za-z0-9]{37,}"),
    _format("perplexity", "pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    _format("notion", "ntn_", r"ntn_[A-Za-z0-9]{40,}"),
    _format("linear", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,}"),
    _format("vault", "hvs. hvb.", rf"hv[sb]\.{_KEY}{{24,}}"),
    _format("age", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    _format("mailgun", "key-", r"key-[0-9a-f]{32,}"),
    _format("aliyun", "LTAI", r"LTAI[A-Za-z0-9]{12,}"),
    _format("tencent", "AKID", r"AKID[A-Za-z0-9]{32,}"),
    _format(
        "url_password",
        "://",
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@]{0,64}:(?P<secret>[^\s/@]{3,128})@",
    ),
    _Format(
        "assigned",
        _NAMES,
        _ASSIGNED,
        _is_random,
        ignores_case=True,
    ),
    _Format(
        "password",
        ("passw", "passphrase", "pwd", "密码", "口令"),
        _PASSWORD,
        _is_password,
        ignores_case=True,
    ),
)
"""The formats, the particular ones first."""


def find_secrets(text: str | Normalized) -> list[Span]:
    """Return where keys, tokens and passwords are, in order, none overlapping.

    Args:
        text: Any Unicode; keys that are disguised by look-alikes or invisible characters are found.
    """
    read = normalize(text) if isinstance(text, str) else text
    return merge_spans(_matches(read))


def _matches(read: Normalized) -> Iterator[Span]:
    text = read.text
    for form in FORMATS:
        if not holds_any(read.lower if form.ignores_case else text, form.needles):
            continue
        group = "secret" if "secret" in form.pattern.groupindex else 0
        for match in form.pattern.finditer(text):
            if form.accepts is None or form.accepts(match[group]):
                yield read.span(f"secrets.{form.name}", *match.span(group))


def redact_secrets(text: str) -> str:
    """Return the text with each secret replaced by its kind, as in ``[GITHUB]``; for good."""
    pieces, place = [], 0
    for span in find_secrets(text):
        pieces += [text[place : span.start], f"[{span.category.partition('.')[2].upper()}]"]
        place = span.end
    return "".join([*pieces, text[place:]])
