from __future__ import annotations

import hashlib
import itertools
import random
import re
import uuid
from pathlib import Path

import pytest

from autogpt.safety.personal import find_personal
from autogpt.safety.secrets import find_secrets, redact_secrets
from tests.safety import planted

PROSE = (Path(__file__).parents[2] / "src/autogpt/data/quickstart").glob("*.txt")


def quiet_lines() -> list[str]:
    """Return 1,000 lines of UUIDs, hashes and prose."""
    chance = random.Random(0)
    lines = []
    for i in range(200):
        some = chance.randbytes(20)
        lines += [
            str(uuid.UUID(bytes=chance.randbytes(16), version=4)),
            f"sha256: {hashlib.sha256(some).hexdigest()}  file-{i}.tar.gz",
            f"commit {hashlib.sha1(some).hexdigest()} md5={hashlib.md5(some).hexdigest()}",
        ]
    prose = itertools.chain.from_iterable(
        path.read_text(encoding="utf-8").splitlines() for path in PROSE
    )
    lines += [line for line in prose if line.strip()][:350]
    lines += [
        f"第{i}章：今天买了{i}个苹果，2024年{i % 12 + 1}月，共 {i * 7}.50 元。" for i in range(50)
    ]
    assert len(lines) == 1000
    return lines


@pytest.mark.parametrize("seed", range(20))
def test_every_format_is_found_whole(seed: int) -> None:
    for name, secret in planted.secrets(random.Random(seed)).items():
        for before, after in [("", ""), ("key: ", "."), ('"', '",'), ("密钥是", "。"), ("(", ")")]:
            text = f"{before}{secret}{after}"
            found = [text[span.start : span.end] for span in find_secrets(text)]
            assert found, name
            left = redact_secrets(text)
            kept = rf"{re.escape(before)}\[[A-Z_]+\](?:{re.escape(after)})?"
            assert re.fullmatch(kept, left), (name, left)


def test_several_on_one_line() -> None:
    secrets = planted.secrets(random.Random(1))
    text = " and ".join(secrets.values())
    spans = find_secrets(text)
    assert [text[span.start : span.end] for span in spans] == list(secrets.values())
    assert redact_secrets(text).count(" and ") == len(secrets) - 1


def test_disguised_keys_are_found() -> None:
    key = "ghp_" + "aB3" * 12
    for text in (
        key.replace("3", "3\u200b"),
        "".join(chr(ord(each) + 0xFEE0) if each != "_" else "＿" for each in key),
        key.replace("a", "а"),  # Cyrillic
    ):
        (span,) = find_secrets(f"key {text}")
        assert span.start == 4
        assert redact_secrets(f"key {text}").rstrip("\u200b") == "key [GITHUB]"


def test_what_a_text_calls_a_secret() -> None:
    assert redact_secrets("password = hunter2!") == "password = [PASSWORD]"
    assert redact_secrets("密码：abc12345。") == "密码：[PASSWORD]。"
    assert redact_secrets("Authorization: Bearer a8f5f167f44f4964e6c998dee827110c").endswith(
        "[ASSIGNED]"
    )
    assert redact_secrets("postgres://ada:s3cret@db/x") == "postgres://ada:[URL_PASSWORD]@db/x"
    assert redact_secrets("I forgot my password again.") == "I forgot my password again."
    assert redact_secrets("The key is under the mat.") == "The key is under the mat."


def test_a_block_that_does_not_end_is_secret_to_its_end() -> None:
    text = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0B"
    assert redact_secrets(text) == "[PRIVATE_KEY]"


def test_no_hits_on_identifiers_hashes_and_prose() -> None:
    for line in quiet_lines():
        assert find_secrets(line) == [], line
        assert find_personal(line) == [], line
