"""The search finds transformers' texts; constraints and penalties hold in every beam."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from autogpt.core.errors import UsageError
from autogpt.inference import constraint
from autogpt.inference.beam import BeamSearch
from autogpt.inference.completion import StepOutput
from autogpt.inference.engine import Engine
from autogpt.inference.grammar import GrammarCompiler
from autogpt.inference.packing import pack_model
from autogpt.inference.params import SamplingParams
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT
from autogpt.tokenizer.bpe import Tokenizer

PROMPTS = [[5, 6, 7], [8], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]]
FOUR = SamplingParams(max_tokens=16, beams=4, n=4)
NO_END: frozenset[int] = frozenset()


def texts_of(steps: Sequence[StepOutput]) -> list[list[int]]:
    rows: dict[int, list[int]] = {}
    for step in steps:
        rows.setdefault(step.row, []).append(step.token_id)
    return [rows[row] for row in sorted(rows)]


def found(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: list[int],
    params: SamplingParams,
    ends: frozenset[int] = NO_END,
) -> list[list[int]]:
    return texts_of(list(BeamSearch(model, tokenizer, ends=ends).generate([prompt], params)))


# 285 tokens of 320 end the text in the last case: most beams end, at different lengths.
@pytest.mark.parametrize(
    ("beams", "length_penalty", "end_ids"),
    [(4, 1.0, []), (3, 1.0, range(40, 60)), (4, 0.0, range(40, 60)), (5, 2.0, range(100, 180)),
     (2, -1.0, range(40, 60)), (4, 1.0, range(35, 320))],
)  # fmt: skip
def test_the_best_texts_are_those_of_transformers(
    model: GPT,
    tokenizer: Tokenizer,
    tmp_path: Path,
    beams: int,
    length_penalty: float,
    end_ids: Sequence[int],
) -> None:
    save_model(model, tmp_path, tokenizer=tokenizer)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    settings = transformers.GenerationConfig(
        max_new_tokens=16, do_sample=False, num_beams=beams, num_return_sequences=beams,
        length_penalty=length_penalty, eos_token_id=list(end_ids) or None, pad_token_id=1,
    )  # fmt: skip
    params = replace(FOUR, beams=beams, n=beams, length_penalty=length_penalty)
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        wanted = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), generation_config=settings
        )
        got = found(model, tokenizer, prompt, params, frozenset(end_ids))
        padded = [row + [1] * (wanted.shape[1] - len(prompt) - len(row)) for row in got]
        assert padded == wanted[:, len(prompt) :].tolist()


def test_one_beam_is_greedy_and_more_are_likelier(model: GPT, tokenizer: Tokenizer) -> None:
    greedy = SamplingParams(max_tokens=16, temperature=0.0)
    one = BeamSearch(model, tokenizer, ends=NO_END)
    plain = Engine(model, tokenizer, ends=NO_END)
    for prompt in PROMPTS:
        alone = texts_of(list(plain.generate([prompt], greedy)))
        assert texts_of(list(one.generate([prompt], greedy))) == alone
        best = found(model, tokenizer, prompt, FOUR)
        assert likelihood(model, tokenizer, prompt, best[0]) >= likelihood(
            model, tokenizer, prompt, alone[0]
        )
        assert len({tuple(row) for row in best}) == 4


def likelihood(model: GPT, tokenizer: Tokenizer, prompt: list[int], text: list[int]) -> float:
    with torch.inference_mode():
        hidden = model(torch.tensor([prompt + text[:-1]]))[0, len(prompt) - 1 :]
        scores = model.logits(hidden)[:, : tokenizer.vocab_size].log_softmax(-1)
    return float(scores[torch.arange(len(text)), text].sum())


def test_a_packed_model_and_many_prompts(
    make_model: Callable[..., GPT], model: GPT, tokenizer: Tokenizer
) -> None:
    packed = make_model()
    search = BeamSearch(packed, tokenizer, ends=NO_END, head=pack_model(packed))
    together = texts_of(list(search.generate(PROMPTS, replace(FOUR, n=2))))
    assert together == [
        row for prompt in PROMPTS for row in found(model, tokenizer, prompt, FOUR)[:2]
    ]


def test_a_text_longer_than_the_context_goes_on(model: GPT, tokenizer: Tokenizer) -> None:
    params = replace(FOUR, max_tokens=150, beams=2, n=1)
    (row,) = found(model, tokenizer, list(range(30, 90)), params)
    assert len(row) == 150


def test_outputs_are_whole(model: GPT, tokenizer: Tokenizer) -> None:
    ends = frozenset(range(100, 180))
    search = BeamSearch(model, tokenizer, ends=ends)
    steps = list(search.generate([[5]], replace(FOUR, logprobs=2)))
    for row, ids in enumerate(texts_of(steps)):
        own = [step for step in steps if step.row == row]
        assert [step.finish_reason for step in own[:-1]] == [None] * (len(own) - 1)
        assert own[-1].finish_reason == ("stop" if ids[-1] in ends else "length")
        entries = [entry for step in own for entry in step.logprobs]
        assert all(len(entry.top) == 2 for entry in entries)
        shown = ids[: len(entries)]
        assert [entry.token_bytes for entry in entries] == [
            tokenizer.token_bytes(token_id) for token_id in shown
        ]
        total = sum(entry.logprob for entry in entries)
        assert total == pytest.approx(likelihood(model, tokenizer, [5], shown), abs=1e-3)


def test_a_stop_string_ends_a_beam(model: GPT, tokenizer: Tokenizer) -> None:
    def text(params: SamplingParams) -> str:
        steps = list(BeamSearch(model, tokenizer, ends=NO_END).generate([[5]], params))
        assert steps[-1].finish_reason == ("stop" if params.stop else "length")
        return "".join(step.text for step in steps)

    params = replace(FOUR, n=1)
    whole = text(params)
    stops = (whole[1:3], whole[4:6])
    cut = text(replace(params, stop=stops))
    assert not any(stop in cut for stop in stops)


@pytest.mark.parametrize("max_tokens", [16, 17, 24, 60])
def test_every_beam_keeps_to_the_constraint(
    model: GPT, tokenizer: Tokenizer, max_tokens: int
) -> None:
    schema = {
        "type": "object",
        "properties": {"名": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["名", "n"],
        "additionalProperties": False,
    }
    ends = frozenset([tokenizer.eos_id])
    grammars = GrammarCompiler(tokenizer, ends, tokenizer.vocab_size)
    grammar = grammars.compile(constraint.json_schema(schema))
    params = replace(FOUR, max_tokens=max_tokens, constraint=grammar, frequency_penalty=1.0)
    for prompt in PROMPTS:
        rows = found(model, tokenizer, prompt, params, ends)
        texts = [tokenizer.decode(row, skip_special=True) for row in rows]
        assert 1 <= len(set(texts)) <= 4
        for text in texts:
            value = json.loads(text)
            assert list(value) == ["名", "n"]
            assert type(value["n"]) is int


def test_loops_end_a_beam(model: GPT, tokenizer: Tokenizer) -> None:
    params = replace(FOUR, max_tokens=60, beams=2, n=1, logit_bias=((7, 100.0),), stop_loops=2)
    (row,) = found(model, tokenizer, [5], params)
    assert row == [7] * 32


def test_a_prompt_without_tokens_is_refused(model: GPT, tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="no tokens"):
        BeamSearch(model, tokenizer, ends=NO_END).generate([[]], FOUR)
