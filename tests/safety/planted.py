"""Secrets and personal data that are nobody's, made for the tests from random numbers."""

from __future__ import annotations

import base64
import json
import random
import string

LETTERS = string.ascii_letters + string.digits
KEY = LETTERS + "_-"


def secrets(chance: random.Random) -> dict[str, str]:
    """Return a secret of each format; the private key without line breaks around it."""

    def some(n: int, alphabet: str = LETTERS) -> str:
        return "".join(chance.choices(alphabet, k=n))

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    upper = string.ascii_uppercase + string.digits
    lines = "\n".join(some(64, LETTERS + "+/") for _ in range(4))
    return {
        "aws": "AKIA" + some(16, upper),
        "aws_session": "ASIA" + some(16, upper),
        "github": "ghp_" + some(36),
        "github_app": "ghs_" + some(36),
        "github_fine": "github_pat_" + some(22) + "_" + some(59),
        "gitlab": "glpat-" + some(20, KEY),
        "openai": "sk-" + some(20) + "T3BlbkFJ" + some(20),
        "openai_project": "sk-proj-" + some(74, KEY) + "T3BlbkFJ" + some(73, KEY) + "A",
        "anthropic": "sk-ant-api03-" + some(93, KEY) + "AA",
        "huggingface": "hf_" + some(34),
        "google": "AIza" + some(35, KEY),
        "google_oauth": "ya29." + some(60, KEY),
        "slack": "xoxb-" + some(12, string.digits) + "-" + some(12, string.digits) + "-" + some(24),
        "slack_webhook": f"https://hooks.slack.com/services/T{some(8)}/B{some(8)}/{some(24)}",
        "stripe": "sk_live_" + some(24),
        "stripe_restricted": "rk_test_" + some(24),
        "private_key": f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----",
        "openssh_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        f"{lines}\n-----END OPENSSH PRIVATE KEY-----",
        "jwt": f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': some(9)})}.{some(43, KEY)}",
        "npm": "npm_" + some(36),
        "pypi": "pypi-AgEIcHlwaS5vcmc" + some(80, KEY),
        "sendgrid": "SG." + some(22, KEY) + "." + some(43, KEY),
        "twilio": "SK" + some(32, "0123456789abcdef"),
        "telegram": some(9, "123456789") + ":AA" + some(33, KEY),
        "digitalocean": "dop_v1_" + some(64, "0123456789abcdef"),
    }


def card(chance: random.Random) -> str:
    digits = "4" + "".join(chance.choices(string.digits, k=14))
    return digits + _last(digits)


def resident_id(chance: random.Random) -> str:
    born = f"19{chance.randrange(50, 99)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    first = f"110105{born}{chance.randrange(1000):03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return first + "10X98765432"[sum(w * int(d) for w, d in zip(weights, first, strict=True)) % 11]


def iban(chance: random.Random) -> str:
    account = "".join(chance.choices(string.digits, k=18))
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02}{account}"


def personal(chance: random.Random) -> dict[str, str]:
    """Return a value of each kind."""
    tail = f"{chance.randrange(10**8):08}"
    spaced = card(chance)
    return {
        "email": f"{chance.choice(string.ascii_lowercase)}.{tail}+x@mail.example.org",
        "phone": f"1{chance.choice('3456789')}{chance.randrange(10)}{tail}",
        "phone_country": f"+86 138 {tail[:4]} {tail[4:]}",
        "phone_us": f"({chance.randrange(200, 999)}) 555-{tail[:4]}",
        "phone_uk": f"+44 20 {tail[:4]} {tail[4:]}",
        "card": spaced,
        "card_spaced": " ".join(spaced[i : i + 4] for i in range(0, 16, 4)),
        "iban": iban(chance),
        "ssn": f"{chance.randrange(100, 660)}-{chance.randrange(1, 99):02}-{tail[:3]}7",
        "resident_id": resident_id(chance),
        "ip": f"{chance.randrange(1, 120)}.{chance.randrange(256)}.{chance.randrange(256)}.7",
        "ip6": f"2001:db8:{chance.randrange(1, 9999)}::{chance.randrange(1, 9999)}",
    }


def _last(digits: str) -> str:
    return next(d for d in string.digits if _luhn(digits + d) % 10 == 0)


def _luhn(digits: str) -> int:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled)
