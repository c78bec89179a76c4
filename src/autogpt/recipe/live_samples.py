"""What a model writes while it learns: ``samples.jsonl`` in the run folder, a line a text.

At each look at the validation split the model goes on with the same held-out beginnings: one can
watch it learn. It costs a share of the budget that does not matter, or it is not done: what the
first look took says what the next would take. Weights, order of the data and the generators of
random numbers stay as they are, so a run with samples is the run without them.

Not here: the samples of the finished model, which its card and report show (``samples``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from autogpt.core.files import explain_os_errors, open_atomic
from autogpt.llm import LLM
from autogpt.models.gpt import GPT
from autogpt.recipe.prepare import Prepared
from autogpt.recipe.samples import beginnings
from autogpt.training.kernels import eager

__all__ = ["SAMPLES", "LiveSamples"]

SAMPLES = "samples.jsonl"
_SHARE = 0.01  # of the budget, at most
_FREE_S = 10.0  # where steps or tokens are the budget
_TEXTS, _TOKENS = 2, 48


class LiveSamples:
    """See the module.

    Args:
        out: The run folder.
        prepared: Its held-out text begins the samples.
        budget_s: Of the run; None where steps decide.
        seed: Of the run.
        after_step: The step that a resumed run goes on after; what came later is dropped.
    """

    def __init__(
        self,
        out: Path,
        prepared: Prepared,
        *,
        budget_s: float | None,
        seed: int,
        after_step: int,
    ) -> None:
        self._path = out / SAMPLES
        self._tokenizer, self._seed = prepared.tokenizer, seed
        self._prompts = [text for text in beginnings(prepared) if text.strip()][:_TEXTS]
        self._left_s = _FREE_S if budget_s is None else _SHARE * budget_s
        self._took_s = 0.0
        self._cut(after_step)

    def look(self, model: object, step: int) -> None:
        """Let the model write, unless that would take too long; its weights stay as they are.

        Raises:
            ResourceError: If the disk is full.
        """
        if not isinstance(model, GPT) or not self._prompts or self._took_s > self._left_s:
            return
        begin = time.perf_counter()
        was_training = model.training
        state = torch.get_rng_state()
        try:
            with eager():  # or torch would compile for every length that is written
                texts = self._write(model.eval())
        finally:
            torch.set_rng_state(state)
            model.train(was_training)
        with explain_os_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            for prompt, text in zip(self._prompts, texts, strict=True):
                line = {"step": step, "prompt": prompt, "text": text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._took_s = time.perf_counter() - begin
        self._left_s -= self._took_s

    def _write(self, model: GPT) -> Sequence[str]:
        llm = LLM(model, self._tokenizer)
        params = llm.sampling(max_tokens=_TOKENS, temperature=0.7, min_p=0.1, seed=self._seed)
        return [completions[0].text for completions in llm.complete(self._prompts, params)]

    def _cut(self, after_step: int) -> None:
        if not self._path.is_file():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                if json.loads(line)["step"] <= after_step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # torn by a crash
        with open_atomic(self._path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in kept)
