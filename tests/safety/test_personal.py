from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.safety.masking import Vault
from autogpt.safety.personal import find_personal, is_card, is_iban, is_resident_id
from tests.safety import planted


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_is_found_whole(seed: int) -> None:
    for name, value in planted.personal(random.Random(seed)).items():
        for before, after in [
            ("", ""),
            ("Call ", "."),
            ("电话", "，谢谢"),
            ("(", ")"),
            ("is: ", ","),
        ]:
            text = f"{before}{value}{after}"
            found = [text[span.start : span.end] for span in find_personal(text)]
            assert found == [value], (name, text, found)


def test_kinds() -> None:
    def kind(text: str) -> list[str]:
        return [span.category for span in find_personal(text)]

    assert kind("4111 1111 1111 1111") == ["personal.card"]
    assert kind("4111 1111 1111 1112") == []
    assert kind("11010519491231002X") == ["personal.resident_id"]
    assert kind("110105194912310021") == []
    assert kind("GB82 WEST 1234 5698 7654 32 IS THE ACCOUNT") == ["personal.iban"]
    assert kind("GB82 WEST 1234 5698 7654 33") == []
    assert kind("078-05-1120") == ["personal.ssn"]
    assert kind("000-12-3456 and 666-12-3456 and 912-12-3456") == []
    assert kind("手机13812345678，座机010-62345678") == ["personal.phone"] * 2
    assert kind("１３８１２３４５６７８") == ["personal.phone"]
    assert kind("192.0.2.7 127.0.0.1 0.0.0.0 ::1 300.1.1.1 version 1.2.3.4") == ["personal.ip"]
    assert kind("fe80::1ff:fe23:4567:890a") == ["personal.ip"]
    assert kind("At 12:30:45 on 2024-01-02, 1,234,567.89 were sold; order 20240102123456.") == []
    assert kind("See https://example.org/@user and x@y") == []


def test_checks() -> None:
    assert is_card("5500005555555559")
    assert not is_card("0000000000000000")
    assert is_iban("DE89370400440532013000")
    assert not is_iban("DE8937040044053201300")
    assert is_resident_id("11010519491231002x")
    assert not is_resident_id("110105194913310020")


def test_masking_goes_back_exactly() -> None:
    chance = random.Random(3)
    values = planted.personal(chance)
    text = (
        "[EMAIL_1] 是模板。"
        + "；".join(f"{k}：{v}" for k, v in values.items())
        + " "
        + values["email"]
    )
    vault = Vault(text)
    masked = vault.mask(text, find_personal(text))
    assert not any(value in masked for value in values.values())
    assert "[EMAIL_2]" in masked
    assert masked.count("[EMAIL_2]") == 2
    assert vault.unmask(masked) == text


@given(st.text(), st.lists(st.sampled_from([*planted.personal(random.Random(1)).values()])))
def test_every_text_comes_back(text: str, values: list[str]) -> None:
    whole = "; ".join([text, *values, text])
    vault = Vault(whole)
    masked = vault.mask(whole, find_personal(whole))
    assert vault.unmask(masked) == whole
    assert text.strip() or find_personal(masked) == []
