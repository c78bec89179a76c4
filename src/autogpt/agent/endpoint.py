"""A model behind OpenAI's API (``/v1/chat/completions``), at the address that the user named.

No other address is ever spoken to: redirects are errors, proxies of the environment are not used.
Source: OpenAI API reference (2025), ``response_format`` of type ``json_schema``; servers that refuse
it (status 400) are asked again with the schema in words.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urldefrag, urlsplit

from autogpt.agent.models import CHARS_PER_TOKEN, Reply
from autogpt.agent.tools.base import Cost
from autogpt.core.errors import ResourceError, UsageError
from autogpt.core.messages import Message, user

__all__ = ["EndpointModel"]

Json = Any
_TIMEOUT_S = 120.0


class EndpointModel:
    """A model at an address.

    Args:
        address: As ``http://127.0.0.1:8000/v1`` or ``...#model-name``.
        key: The secret; None: ``AUTOGPT_API_KEY`` or ``OPENAI_API_KEY`` of the environment.
        price_in: What a million tokens read cost.
        price_out: What a million tokens written cost.

    Attributes:
        name: The model's name at the endpoint.
        address: As given.
        plans: Whether it plans freely; None until it was measured.

    Raises:
        UsageError: If it is no address, or a key would go over an unencrypted line.
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        price_in: float = 0.0,
        price_out: float = 0.0,
    ) -> None:
        base, model = urldefrag(address)
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"{address!r} is not an address.", hint="As in http://127.0.0.1:8000/v1"
            )
        self._key = key or os.environ.get("AUTOGPT_API_KEY") or os.environ.get("OPENAI_API_KEY")
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if self._key and parts.scheme == "http" and not local:
            raise UsageError(
                f"The key would go to {parts.hostname} unencrypted.", hint="Use https."
            )
        if local:  # nobody else's key is needed on one's own machine
            self._key = key or os.environ.get("AUTOGPT_API_KEY")
        self._base = base.rstrip("/")
        self.address = address
        self._prices = (price_in / 1e6, price_out / 1e6)
        self._takes_schema = True
        self._model = model or self._first_model()
        self.name = self._model
        self.plans: bool | None = None

    def fill(
        self, messages: Sequence[Message], schema: Mapping[str, Json], *, max_tokens: int
    ) -> Reply:
        """Write JSON that fits a schema, constrained where the server can do that."""
        if self._takes_schema:
            form = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
            }
            reply = self._ask(messages, max_tokens, response_format=form)
            if reply is not None:
                return reply
            self._takes_schema = False
        wanted = json.dumps(schema, ensure_ascii=False)
        told = [*messages[:-1], user(f"{messages[-1].content}\n\nJSON of this schema: {wanted}")]
        return self._must(self._ask(told, max_tokens))

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:
        """Choose one of some options: a JSON string of an enum."""
        schema = {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(options)}},
            "required": ["choice"],
            "additionalProperties": False,
        }
        reply = self.fill(messages, schema, max_tokens=64)
        from autogpt.agent.models import parsed

        try:
            chosen = str(parsed(reply.text)["choice"])
        except (ValueError, KeyError, TypeError):
            chosen = reply.text.strip()
        place = next((i for i, option in enumerate(options) if option == chosen), 0)
        sure = reply.confidence if reply.confidence is not None and chosen in options else 0.5
        rest = (1 - sure) / max(1, len(options) - 1)
        return Reply(
            text=options[place],
            confidence=sure,
            probabilities=tuple(sure if i == place else rest for i in range(len(options))),
            cost=reply.cost,
            model=self.name,
        )

    def say(self, messages: Sequence[Message], *, max_tokens: int) -> Reply:
        """Write text."""
        return self._must(self._ask(messages, max_tokens))

    def most(self, messages: Sequence[Message], *, max_tokens: int) -> Cost:
        """Return the tokens of the prompt, as estimated, and of the longest answer, and its price."""
        read = sum(len(message.content) for message in messages) // CHARS_PER_TOKEN + 16
        money = read * self._prices[0] + max_tokens * self._prices[1]
        return Cost(tokens=read + max_tokens, money=money)

    def _ask(self, messages: Sequence[Message], max_tokens: int, **extra: Json) -> Reply | None:
        """Return the answer, or None where the server refuses what is extra."""
        body = {
            "model": self._model,
            "messages": [message.to_dict() for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
            "logprobs": True,
            **extra,
        }
        status, answer = self._request("POST", "/chat/completions", body)
        if status == 400 and extra:
            return None
        if status == 400:  # some refuse log probabilities
            body.pop("logprobs")
            status, answer = self._request("POST", "/chat/completions", body)
        if status != 200:
            raise ResourceError(
                f"The endpoint {self._base!r} answers with status {status}: "
                f"{json.dumps(answer)[:200]}."
            )
        return self._reply(answer)

    def _reply(self, answer: Mapping[str, Json]) -> Reply:
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
            usage = answer.get("usage") or {}
            read = int(usage.get("prompt_tokens", 0))
            written = int(usage.get("completion_tokens", 0))
            entries = ((choice.get("logprobs") or {}).get("content")) or []
            logprobs = [max(float(entry["logprob"]), -20.0) for entry in entries]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ResourceError(
                f"The endpoint {self._base!r} answers otherwise than OpenAI's API: "
                f"{json.dumps(answer)[:200]}."
            ) from error
        return Reply(
            text=text,
            confidence=math.exp(sum(logprobs) / len(logprobs)) if logprobs else None,
            cost=Cost(
                tokens=read + written, money=read * self._prices[0] + written * self._prices[1]
            ),
            model=self.name,
        )

    def _must(self, reply: Reply | None) -> Reply:
        if reply is None:
            raise ResourceError(f"The endpoint {self._base!r} refuses the request.")
        return reply

    def _first_model(self) -> str:
        status, answer = self._request("GET", "/models", None)
        try:
            if status == 200:
                return str(answer["data"][0]["id"])
        except (KeyError, IndexError, TypeError):
            pass
        raise UsageError(
            f"The endpoint {self._base!r} does not say which models it has.",
            hint=f"Name one: {self._base}#MODEL",
        )

    def _request(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        import httpx2

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            with httpx2.Client(
                timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
            ) as client:
                answer = client.request(method, self._base + path, json=body, headers=headers)
            return answer.status_code, answer.json()
        except json.JSONDecodeError as error:
            raise ResourceError(f"The endpoint {self._base!r} does not answer in JSON.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ResourceError(
                f"The endpoint {self._base!r} cannot be reached: {error}.",
                hint="Start it, or name another with --model.",
            ) from error
