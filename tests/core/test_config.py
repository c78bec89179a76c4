from __future__ import annotations

import tomllib

import pytest

from autogpt.core.config import dump_toml, from_mapping, merge, parse_settings, to_mapping
from autogpt.core.errors import ConfigError
from autogpt.recipe import Recipe


def test_a_recipe_survives_toml():
    recipe = from_mapping(Recipe, {"seed": 7, "training": {"clip": 2, "max_steps": 5}})
    assert from_mapping(Recipe, tomllib.loads(dump_toml(to_mapping(recipe)))) == recipe


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(ConfigError, match=r"training\.clip"):
        from_mapping(Recipe, {"training": {"clipp": 1.0}})


@pytest.mark.parametrize("items", [["training.clip=-1"], ["training.clip=true"], ["seed=x"]])
def test_a_wrong_value_is_refused(items: list[str]):
    with pytest.raises(ConfigError):
        from_mapping(Recipe, parse_settings(items))


def test_settings_merge_and_later_ones_win():
    assert merge({"a": {"b": 1, "c": 2}}, parse_settings(["a.b=3"])) == {"a": {"b": 3, "c": 2}}
