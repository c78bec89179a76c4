"""Log probabilities behind a filter: with their text, late, or never."""

from __future__ import annotations

from autogpt.server.generation import Piece, _Watch


class Sentences:
    """Lets text out by the sentence; words that are not nice come out masked."""

    stopped = False

    def __init__(self) -> None:
        self._waiting = ""

    def push(self, text: str) -> str:
        self._waiting += text
        end = self._waiting.rfind(".") + 1
        out, self._waiting = self._waiting[:end], self._waiting[end:]
        return out.replace("damn", "****")

    def close(self) -> str:
        out, self._waiting = self._waiting, ""
        return out.replace("damn", "****")


def pieces(*texts: str) -> list[Piece]:
    last = len(texts) - 1
    return [
        Piece(0, text, [[text, None, -0.5, []]], "stop" if place == last else None)
        for place, text in enumerate(texts)
    ]


def shown(*texts: str) -> list[tuple[str, list[object] | None]]:
    watch = _Watch(Sentences())
    found = [watch.shown(piece) for piece in pieces(*texts)]
    return [
        (one.text, None if one.logprobs is None else [entry[0] for entry in one.logprobs])
        for one in found
    ]


def test_log_probabilities_come_with_the_text_they_are_of() -> None:
    assert shown("The ", "sea", ". It", " is", " 海") == [
        ("", []),
        ("", []),
        ("The sea.", ["The ", "sea"]),
        ("", []),
        (" It is 海", [". It", " is", " 海"]),
    ]


def test_of_a_text_that_was_altered_none_come() -> None:
    assert shown("A ", "damn", " fool. ", "Yes.") == [
        ("", []),
        ("", []),
        ("A **** fool.", None),
        (" Yes.", None),
    ]
