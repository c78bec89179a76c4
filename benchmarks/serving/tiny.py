"""A tiny model of random weights, for scripts whose figures do not depend on what is said."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.server import serving


def make_model(folder: Path) -> Path:
    """Write the model of the server's tests, if it is not there; return where."""
    return folder if (folder / "config.json").exists() else serving.make_model(folder)


def endless_bias(folder: Path) -> dict[str, int]:
    """Return the logit bias with which a text does not end before its tokens do."""
    from autogpt.tokenizer.bpe import Tokenizer

    return {str(end): -100 for end in Tokenizer.load(folder).special_ids.values()}
