"""A model in the engine process: what it is, and what it can be asked beside writing.

Not here: writing, which goes through the engine (``engine_process``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from autogpt.core.errors import UsageError
from autogpt.inference.completion import StepOutput
from autogpt.interop.transformers import Encoder
from autogpt.llm import LLM, load
from autogpt.llm.classifier import Classifier
from autogpt.llm.tagger import Tagger
from autogpt.models.counting import parameter_count
from autogpt.tasks.recognize import Seer

__all__ = ["Kind", "ServedModel", "load_served"]

Kind = Literal["writer", "encoder", "classifier", "tagger", "recognizer", "transcriber", "other"]

_TEXTS_AT_ONCE = 8  # embedded between two steps of the engine


@dataclass(kw_only=True, slots=True)
class ServedModel:
    """A loaded model and who waits for what it writes.

    Attributes:
        name: What requests call it.
        model: What ``llm.load`` gave: an ``LLM``, an ``Encoder``, a ``Classifier`` and so on.
        kind: Which of them.
        quantized: Whether its weights were rounded, so that the model itself cannot be run.
        sinks: Where the outputs of each request of its engine go.
    """

    name: str
    model: Any
    kind: Kind
    quantized: bool
    sinks: dict[int, Callable[[StepOutput], None]] = field(default_factory=dict)

    @property
    def writer(self) -> LLM:
        """The model, if it writes.

        Raises:
            UsageError: If it does not.
        """
        if not isinstance(self.model, LLM):
            raise UsageError(
                f"The model {self.name!r} is a {self.kind}: it does not write text.",
                hint="Ask a model that does; GET /v1/models says which.",
            )
        return self.model

    @property
    def has_work(self) -> bool:
        """Whether a step of its engine would do anything."""
        return self.kind == "writer" and self.model.engine.has_work

    def facts(self) -> dict[str, object]:
        """Return what the front should know."""
        facts: dict[str, object] = {"name": self.name, "kind": self.kind}
        if isinstance(self.model, LLM):
            facts |= {
                "context_length": self.model.engine.context_length,
                "parameters": parameter_count(self.model.model.config),
                "answers_messages": self.model.tokenizer.roles.chat_template is not None,
            }
        elif isinstance(self.model, Encoder):
            facts |= {"context_length": self.model.max_tokens, "dimension": self.model.dimension}
        if hasattr(self.model, "labels"):
            facts["labels"] = list(self.model.labels)
        if hasattr(self.model, "medium"):
            facts["medium"] = self.model.medium
        return facts

    def probe(self) -> None:
        """Run the model once, on next to nothing.

        Raises:
            ValueError: If what comes out is no number.
        """
        if isinstance(self.model, LLM):
            found = self.model.likelihoods(["a"], [["b"]])[0][0].logprob
        elif isinstance(self.model, Encoder):
            found = float(self.model.embed(["a"]).sum())
        elif isinstance(self.model, Classifier):
            found = sum(self.model.predict("a").values())
        elif isinstance(self.model, Tagger):
            found = float(len(self.model.tag("a").entities))
        else:  # it sees or hears: there is no small input that all of them take
            return
        if not torch.isfinite(torch.tensor(found)):
            raise ValueError(f"the model {self.name!r} computed {found}")

    def embed(self, texts: Sequence[str]) -> Iterator[dict[str, object] | None]:
        """Yield None while there is more to do, and then the vectors, of length 1.

        Of a decoder a text's vector is the mean of what its last layer makes of the tokens.

        Raises:
            UsageError: If the model has no vectors, or a text is longer than it can read.
        """
        if self.kind not in ("writer", "encoder") or (self.kind == "writer" and self.quantized):
            why = "its weights are quantized" if self.quantized else f"it is a {self.kind}"
            raise UsageError(
                f"The model {self.name!r} does not embed texts: {why}.",
                hint="Serve an encoder such as all-minilm-l6-v2, or this model without quantize.",
            )
        rows: list[torch.Tensor] = []
        tokens = 0
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[start : start + _TEXTS_AT_ONCE]
            if isinstance(self.model, Encoder):
                rows.append(self.model.embed(some))
                tokens += sum(self.model.count_tokens(some))
            else:
                ids = [self._ids(text) for text in some]
                tokens += sum(map(len, ids))
                rows.append(_means(self.model, ids))
            yield None
        vectors = torch.cat(rows).float().contiguous()
        yield {
            "vectors": base64.b64encode(vectors.numpy().tobytes()).decode(),
            "dimension": vectors.shape[1],
            "tokens": tokens,
        }

    def _ids(self, text: str) -> list[int]:
        ids = self.writer.encode(text)
        return self.writer.engine.fit(ids, max_tokens=1, overflow="refuse")


@torch.inference_mode()
def _means(llm: LLM, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
    vectors = [llm.model(torch.tensor([ids])).float().mean(1) for ids in token_ids]
    return torch.nn.functional.normalize(torch.cat(vectors), dim=-1)


def load_served(name: str, reference: str, options: Mapping[str, Any]) -> ServedModel:
    """Load a model.

    Args:
        name: What requests will call it.
        reference: A MODEL.
        options: ``dtype``, ``quantize``, ``cache``, ``cache_bytes``, ``draft``, ``adapters`` of
            ``llm.load``.

    Raises:
        AutoGPTError: As ``llm.load``.
    """
    model = load(reference, **options)
    return ServedModel(
        name=name, model=model, kind=_kind(model), quantized=options.get("quantize") is not None
    )


def _kind(model: object) -> Kind:
    own: dict[type, Kind] = {
        LLM: "writer", Encoder: "encoder", Classifier: "classifier", Tagger: "tagger",
    }  # fmt: skip
    if type(model) in own:
        return own[type(model)]
    if hasattr(model, "transcribe"):
        return "transcriber"
    return "recognizer" if isinstance(model, Seer) and hasattr(model, "medium") else "other"
