"""Every setting is explained, checked, and reaches the generation; a typo is an error."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from autogpt.core.errors import ConfigError
from autogpt.inference.params import SamplingParams
from autogpt.inference.settings import (
    ManySettings,
    Settings,
    changed_params,
    check_settings,
    constraint_of,
)

ELSEWHERE = {"json_schema", "regex", "choices", "grammar", "dry_breakers", "watermark_key"}


def test_every_setting_is_explained_and_reaches_the_params() -> None:
    fields = {field.name for field in dataclasses.fields(SamplingParams)}
    for name in ManySettings.__annotations__:
        explained = (Settings.__doc__ or "") + (ManySettings.__doc__ or "")
        assert f"        {name}: " in explained
        assert name in fields | ELSEWHERE
    assert fields - set(ManySettings.__annotations__) == {"dry_breaker_ids", "constraint"}


def test_what_is_not_given_stays_as_the_model_says() -> None:
    model = SamplingParams(temperature=0.3, top_k=7)
    assert changed_params({}, model) == model
    assert changed_params({"temperature": None, "top_p": None, "stop": None}, model) == model
    changed = changed_params(
        {"top_k": 3, "stop": "a", "logit_bias": {4: -1.0}, "dry_multiplier": 0.8}, model
    )
    assert (changed.temperature, changed.top_k, changed.stop) == (0.3, 3, ("a",))
    assert changed.logit_bias == ((4, -1.0),)
    assert changed_params({"stop": ["a", "b"]}, model).stop == ("a", "b")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temprature": 1.0}, "no setting 'temprature'. Did you mean temperature"),
        ({"qqq": 1}, "no setting 'qqq'. Known: max_tokens, "),
        ({"logit_bias": [3]}, r"logit_bias is \[3\], expected token ids"),
        ({"dry_base": 2.0}, "dry_base was given, but not dry_multiplier"),
        ({"length_penalty": 2.0}, "length_penalty was given, but not beams"),
        ({"beams": 4, "top_p": 0.5}, "top_p was given, but beams leave nothing to chance"),
        ({"beams": 4, "temperature": 1.0}, "temperature was given, but beams"),
        ({"regex": "a", "choices": ["b"]}, "regex and choices were both given"),
        ({"choices": "yes"}, "choices is 'yes'"),
        ({"json_schema": "{"}, "not JSON"),
    ],
)
def test_what_is_wrong(settings: Any, words: str) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ConfigError, match=words):
        check_settings(settings)


def test_constraints() -> None:
    assert constraint_of({}) is None
    given: list[Settings] = [
        {"json_schema": {"type": "null"}},
        {"regex": "a"},
        {"choices": ["a"]},
        {"grammar": 'start: "a"'},
    ]
    made = [constraint_of(settings) for settings in given]
    kinds = [rule.kind for rule in made if rule is not None]
    assert kinds == ["JSON schema", "regex", "choices", "grammar"]


def test_settings_are_checked_without_torch() -> None:
    script = (
        "import sys; from autogpt.inference.settings import check_settings; "
        "check_settings({'json_schema': {}, 'top_p': 0.5}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
