"""What is found in files that people drop."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from autogpt.core.errors import DataError
from autogpt.studio.sniff import sniff
from tests.interop.tiny_encoder import make_encoder

CLASSIC = Path("src/autogpt/data/quickstart/lunyu.txt")


def found(path: Path) -> dict[str, Any]:
    return json.loads(json.dumps(sniff(path)))


def test_plain_text_is_shown_in_tokens():
    look = found(CLASSIC)
    assert look["kind"] == "passage"
    assert look["tasks"] == ["text"]
    assert look["problems"] == []
    part = look["first"][0]["parts"][0]
    assert CLASSIC.read_text(encoding="utf-8").startswith("".join(part["tokens"])[:100])
    assert len(part["tokens"]) > 50


def test_labels_that_contradict_are_named(tmp_path: Path):
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n好,正面\n坏,负面\n还行,正面\n还行,负面\n", encoding="utf-8")
    look = found(path)
    assert look["tasks"] == ["classify"]
    assert look["classes"] == {"正面": 2, "负面": 2}
    assert any("还行" in one.get("text", "") for one in look["problems"])
    assert {"key": "data.problem.little", "values": {"bytes": 36}} in [
        {**one, "values": {"bytes": 36}} if one.get("key") == "data.problem.little" else one
        for one in look["problems"]
    ]
    roles = [part["role"] for part in look["first"][0]["parts"]]
    assert roles == ["text", "label"]


def test_conversations_encodings_and_broken_lines(tmp_path: Path):
    chats = tmp_path / "chats.jsonl"
    turn = {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "你好"}]
    }
    chats.write_text(f"{json.dumps(turn)}\n{{broken\n{json.dumps(turn)}\n", encoding="utf-8")
    look = found(chats)
    assert look["kind"] == "conversation"
    skipped = next(one for one in look["problems"] if one.get("key") == "data.problem.skipped")
    assert skipped["values"]["count"] == 1
    old = tmp_path / "old.txt"
    old.write_bytes(("学而时习之，不亦说乎？" * 200).encode("gb18030"))
    assert any(one.get("key") == "data.problem.encoding" for one in found(old)["problems"])
    packed = tmp_path / "packed.txt.gz"
    packed.write_bytes(gzip.compress(CLASSIC.read_bytes()))
    assert found(packed)["kind"] == "passage"


def test_of_a_large_file_the_beginning_is_looked_at(tmp_path: Path):
    path = tmp_path / "large.txt"
    path.write_text("To be, or not to be.\n" * 500_000, encoding="utf-8")
    look = found(path)
    assert look["examples"] is None
    assert look["bytes"] == pytest.approx(path.stat().st_size, rel=0.02)
    assert any(one.get("key") == "data.problem.large" for one in look["problems"])


def test_what_holds_no_text_is_told(tmp_path: Path):
    path = tmp_path / "picture.txt"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DataError):
        sniff(path)


def test_an_encoder_has_no_tokens_to_show(tmp_path: Path):
    encoder = make_encoder(tmp_path / "encoder", {"animal": ["cat"], "plant": ["oak"]})
    data = tmp_path / "data.csv"
    data.write_text("text,label\na cat,animal\nan oak,plant\nthe cat,animal\nthe oak,plant\n")
    found = sniff(data, tokenizer=encoder)
    assert found["tasks"] == ["classify"]
    assert found["first"]
