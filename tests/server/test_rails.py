"""The rails around what a server writes: looked at on the way in, filtered on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import pytest

from autogpt.core.errors import RefusedError
from autogpt.core.messages import system, user
from autogpt.safety.rails import Rails as SafetyRails
from autogpt.server.admission import Admission
from autogpt.server.config import LimitsConfig
from autogpt.server.generation import Ask, Usage, write
from autogpt.server.lines import Written
from autogpt.server.metrics import Metrics
from autogpt.server.rails import PolicyRails

CARD = "4111 1111 1111 1111"


class Says:
    """An engine that says what it is told to, a few characters at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.asked: list[object] = []

    async def write(
        self,
        model: str,
        prompts: Sequence[object],
        settings: Mapping[str, object],
        *,
        most_tokens: int,
        tenant: str,
        ended: Callable[[], None],
    ) -> AsyncGenerator[list[Written], None]:
        self.asked.append((model, prompts, settings, most_tokens, tenant))
        for place in range(0, len(self._text), 3):
            finish = "stop" if place + 3 >= len(self._text) else None
            yield [Written(0, self._text[place : place + 3], None, finish, place // 3 + 1, 5, 0)]
        ended()


def said(engine: Says, ask: Ask, rails: PolicyRails) -> tuple[str, str | None]:
    """Return the text that is shown, and why it ends."""

    async def run() -> tuple[str, str | None]:
        ticket = Admission(LimitsConfig()).enter("")
        pieces = write(
            ask,
            ticket,
            engine,  # type: ignore[arg-type] # the one method that is called
            usage=Usage(),
            metrics=Metrics(),
            facts={},
            rails=rails,
            most_tokens=100,
        )
        found = [piece async for batch in pieces for piece in batch]
        return "".join(piece.text for piece in found), found[-1].finish

    return asyncio.run(run())


@pytest.fixture(scope="module")
def rails() -> PolicyRails:
    return PolicyRails(SafetyRails("default"))


def test_what_is_written_is_filtered(rails: PolicyRails) -> None:
    ask = Ask(model="m", prompts=[[user("天氣")]], settings={"n": 1})
    text, finish = said(Says(f"Fine. My card is {CARD}, use it. 晴。"), ask, rails)
    assert finish == "stop"
    assert text.startswith("Fine. ")
    assert text.endswith("晴。")
    assert CARD not in text
    assert "4111" not in text


def test_what_the_user_wrote_is_said_again(rails: PolicyRails) -> None:
    ask = Ask(model="m", prompts=[[user(f"Is {CARD} a card?")]], settings={})
    assert said(Says(f"Yes, {CARD} is."), ask, rails) == (f"Yes, {CARD} is.", "stop")
    mine = Ask(model="m", prompts=[[system(f"The card is {CARD}."), user("Which?")]], settings={})
    assert CARD not in said(Says(f"It is {CARD}."), mine, rails)[0]


@pytest.mark.parametrize("shown", [f'{{"card": {CARD}}}', f'{{"card": "{CARD}"}}'])
def test_json_is_not_changed_but_ended(rails: PolicyRails, shown: str) -> None:
    settings = {"json_schema": {"type": "object"}}
    invented = Ask(model="m", prompts=[[user("A card, please.")]], settings=settings)
    text, finish = said(Says(shown), invented, rails)
    assert finish == "content_filter"
    assert "4111" not in text
    assert "CARD" not in text
    given = Ask(model="m", prompts=[[user(f"Make JSON of {CARD}.")]], settings=settings)
    assert said(Says(shown), given, rails) == (shown, "stop")


def test_what_is_asked_is_looked_at(rails: PolicyRails) -> None:
    engine = Says("never said")
    ask = Ask(
        model="m", prompts=[[system("Be kind."), user("I want to kill myself.")]], settings={}
    )
    with pytest.raises(RefusedError):
        said(engine, ask, rails)
    assert engine.asked == []


def test_token_ids_cannot_be_looked_at(rails: PolicyRails) -> None:
    with pytest.raises(Exception, match="token ids"):
        said(Says("x"), Ask(model="m", prompts=[[1, 2, 3]], settings={}), rails)
