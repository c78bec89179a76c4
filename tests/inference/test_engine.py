"""Cached is uncached, a batch is its rows, a seed is a text, and greedy is transformers' greedy."""

from __future__ import annotations

import copy
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.inference.backends import PagedCache, StepBatch, TorchBackend
from autogpt.inference.capacity import EngineConfig
from autogpt.inference.completion import StepOutput, end_ids
from autogpt.inference.engine import Engine
from autogpt.inference.packing import pack_model
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import RowSampler, choose
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT
from autogpt.tokenizer.bpe import Tokenizer

NO_END: frozenset[int] = frozenset()
GREEDY = SamplingParams(max_tokens=24, temperature=0.0)
RANDOM = SamplingParams(max_tokens=24, temperature=1.0, seed=3)
PROMPTS = [[5, 6, 7], [8], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29], [5, 6, 7]]


MakeEngine = Callable[..., Engine]


@pytest.fixture(scope="module")
def make_engine(model: GPT, tokenizer: Tokenizer) -> MakeEngine:
    """Return a function that makes engines as ``autogpt.load`` does; they never end early."""
    packed = copy.deepcopy(model)
    head = pack_model(packed)

    def make(ends: frozenset[int] = NO_END, **settings: int) -> Engine:
        config = EngineConfig(**settings)
        return Engine(packed, tokenizer, ends=ends, head=head, config=config)

    return make


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine()


def rows_of(steps: Sequence[StepOutput]) -> dict[int, list[StepOutput]]:
    rows: dict[int, list[StepOutput]] = {}
    for step in steps:
        rows.setdefault(step.row, []).append(step)
    return dict(sorted(rows.items()))


def ids_of(engine: Engine, prompts: Sequence[list[int]], params: SamplingParams) -> list[list[int]]:
    rows = rows_of(list(engine.generate(prompts, params)))
    return [[step.token_id for step in steps] for steps in rows.values()]


def uncached(model: GPT, prompt: list[int], params: SamplingParams) -> list[int]:
    """Return what the model writes when it reads everything anew for each token."""
    context = model.config.max_position_embeddings
    sampler = RowSampler(params, model.config.vocab_size, prompt, 0)
    ids, begin = list(prompt), 0
    for _ in range(params.max_tokens):
        if len(ids) - begin > context:
            begin = len(ids) - max(1, context // 2)
        with torch.inference_mode():
            logits = model.logits(model(torch.tensor([ids[begin:]]))[:, -1])
        ids.append(choose(logits, [sampler])[0].token_id)
        sampler.push(ids[-1])
    return ids[len(prompt) :]


@pytest.mark.parametrize(
    "params",
    [
        GREEDY,
        RANDOM,
        replace(RANDOM, top_k=40, top_p=0.9, min_p=0.02),
        replace(GREEDY, repetition_penalty=1.5),
    ],
)
def test_cached_is_uncached(engine: Engine, model: GPT, params: SamplingParams) -> None:
    for prompt in PROMPTS:
        assert ids_of(engine, [prompt], params) == [uncached(model, prompt, params)]


@pytest.mark.parametrize("params", [GREEDY, RANDOM, replace(RANDOM, repetition_penalty=1.3)])
def test_a_batch_gives_what_each_prompt_gives_alone(engine: Engine, params: SamplingParams) -> None:
    together = ids_of(engine, PROMPTS, params)
    assert together == [ids_of(engine, [prompt], params)[0] for prompt in PROMPTS]
    assert together[0] == together[3]
    assert len({tuple(row) for row in together}) == 3


def test_rows_that_end_leave_the_others_alone(make_engine: MakeEngine) -> None:
    engine = make_engine()
    whole = ids_of(engine, PROMPTS, RANDOM)
    ending = make_engine(frozenset([whole[0][3]]))
    rows = ids_of(ending, PROMPTS, RANDOM)
    assert len(rows[0]) == whole[0].index(whole[0][3]) + 1
    for row, full in zip(rows, whole, strict=True):
        assert row == full[: len(row)]


def test_completions_of_one_prompt_differ_and_repeat(engine: Engine) -> None:
    four = ids_of(engine, PROMPTS[:2], replace(RANDOM, n=4))
    assert len({tuple(row) for row in four}) == 8
    assert four[:4] == ids_of(engine, PROMPTS[:1], replace(RANDOM, n=4))
    assert four[4:6] == ids_of(engine, PROMPTS[1:2], replace(RANDOM, n=2))
    assert four[0] == ids_of(engine, PROMPTS[:1], RANDOM)[0]


def test_more_rows_than_fit_at_once(engine: Engine) -> None:
    params = replace(RANDOM, max_tokens=3, n=35)
    rows = ids_of(engine, PROMPTS[:2], params)
    assert len(rows) == 70
    assert rows[35:] == ids_of(engine, PROMPTS[1:2], params)


def test_a_seed_is_a_text(engine: Engine) -> None:
    first = ids_of(engine, PROMPTS[:1], RANDOM)
    assert first == ids_of(engine, PROMPTS[:1], RANDOM)
    assert first != ids_of(engine, PROMPTS[:1], replace(RANDOM, seed=4))
    assert ids_of(engine, PROMPTS[:1], replace(RANDOM, seed=None)) != ids_of(
        engine, PROMPTS[:1], replace(RANDOM, seed=None)
    )


@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
def test_greedy_is_that_of_transformers(
    make_model: Callable[..., GPT], tokenizer: Tokenizer, tmp_path: Path, family: str
) -> None:
    switches: dict[str, dict[str, object]] = {
        "qwen3": {},
        "llama": {"model_type": "llama", "query_key_norm": False},
        "gpt2": {
            "model_type": "gpt2", "norm": "layer", "network": "gelu", "positions": "learned",
            "query_key_norm": False, "attention_bias": True, "network_bias": True,
            "num_key_value_heads": 4, "head_dim": 8,
        },
    }  # fmt: skip
    model = make_model(**switches[family])
    save_model(model, tmp_path, tokenizer=tokenizer)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    engine = Engine(model, tokenizer, ends=NO_END, head=pack_model(model))
    settings = transformers.GenerationConfig(
        max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    for prompt in PROMPTS[:3]:
        ids = torch.tensor([prompt])
        wanted = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), generation_config=settings
        )
        assert ids_of(engine, [prompt], GREEDY)[0] == wanted[0, len(prompt) :].tolist()


def test_an_unpacked_model_writes_the_same(
    engine: Engine, model: GPT, tokenizer: Tokenizer
) -> None:
    plain = Engine(model, tokenizer, ends=NO_END)
    assert ids_of(plain, PROMPTS, GREEDY) == ids_of(engine, PROMPTS, GREEDY)


@pytest.mark.parametrize(
    "params", [replace(GREEDY, max_tokens=150), replace(RANDOM, max_tokens=150)]
)
def test_a_text_longer_than_the_context_goes_on(
    engine: Engine, model: GPT, params: SamplingParams
) -> None:
    prompts = [PROMPTS[0], list(range(30, 90)), PROMPTS[2]]
    together = ids_of(engine, prompts, params)
    for prompt, row in zip(prompts, together, strict=True):
        assert len(row) == 150
        assert row == uncached(model, prompt, params)


def test_a_prompt_longer_than_the_context_loses_its_beginning(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    long = [token % 300 for token in range(1000)]
    with caplog.at_level(logging.WARNING):
        rows = ids_of(engine, [long], replace(GREEDY, max_tokens=10))
    assert "1000 tokens is longer than the model's context of 64" in caplog.text
    assert rows == ids_of(engine, [long[-54:]], replace(GREEDY, max_tokens=10))
    assert len(engine.fit(long, max_tokens=1000)) == 32
    assert engine.fit(long[:64], max_tokens=1000) == long[:64]


def test_reasons_to_end(make_engine: MakeEngine, tokenizer: Tokenizer) -> None:
    engine = make_engine()
    steps = list(engine.generate([[5]], GREEDY))
    assert [step.finish_reason for step in steps] == [None] * 23 + ["length"]
    end = steps[4].token_id
    ending = make_engine(frozenset([end]))
    stopped = list(ending.generate([[5]], GREEDY))
    first = next(place for place, step in enumerate(steps) if step.token_id == end)
    assert len(stopped) == first + 1
    assert stopped[-1].finish_reason == "stop"
    text = "".join(step.text for step in stopped)
    whole = tokenizer.decode([step.token_id for step in steps[:first]])
    # Half a character before the end is dropped; bytes that are no character at all show.
    assert whole.removesuffix("\ufffd").removeprefix(text) == ""


def test_a_stop_string_over_two_tokens(engine: Engine) -> None:
    params = replace(RANDOM, max_tokens=60)
    text = "".join(step.text for step in engine.generate([[5]], params))
    stop = text[20:24]
    steps = list(engine.generate([[5]], replace(params, stop=(stop, "never there"))))
    assert steps[-1].finish_reason == "stop"
    assert "".join(step.text for step in steps) == text[: text.index(stop)]


def test_logprobs_are_those_of_the_uncached_model(
    engine: Engine, model: GPT, tokenizer: Tokenizer
) -> None:
    params = replace(RANDOM, logprobs=3, top_k=20, temperature=0.5)
    steps = list(engine.generate([PROMPTS[2]], params))
    ids = [step.token_id for step in steps]
    assert ids == [
        step.token_id for step in engine.generate([PROMPTS[2]], replace(params, logprobs=None))
    ]
    entries = [entry for step in steps for entry in step.logprobs]
    with torch.inference_mode():
        read = torch.tensor([PROMPTS[2] + ids[:-1]])
        wanted = model.logits(model(read)[0, len(PROMPTS[2]) - 1 :])[:, : tokenizer.vocab_size]
    wanted = wanted.log_softmax(-1)
    for place, entry in enumerate(entries):
        assert entry.token_bytes == tokenizer.token_bytes(ids[place])
        assert entry.logprob == pytest.approx(float(wanted[place, ids[place]]), abs=1e-4)
        assert [top.logprob for top in entry.top] == pytest.approx(
            wanted[place].topk(3).values.tolist(), abs=1e-4
        )


def test_padding_of_the_vocabulary_is_never_chosen(
    make_model: Callable[..., GPT], tokenizer: Tokenizer
) -> None:
    model = make_model(vocab_size=tokenizer.vocab_size * 8)
    engine = Engine(model, tokenizer, ends=NO_END)
    rows = ids_of(engine, [[5]] * 4, replace(RANDOM, temperature=5.0))
    assert max(map(max, rows)) < tokenizer.vocab_size


def test_a_prompt_without_tokens_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="no tokens"):
        engine.generate([[5], []], GREEDY)


def test_what_ends_a_text(tokenizer: Tokenizer) -> None:
    own = {tokenizer.eos_id, tokenizer.pad_id, tokenizer.im_start_id}
    assert end_ids(tokenizer) == own
    assert end_ids(tokenizer, 3, None, (4, 5), [6]) == own | {3, 4, 5, 6}


def test_the_caller_is_not_left_in_inference_mode(engine: Engine) -> None:
    for _ in engine.generate([[5]], replace(GREEDY, max_tokens=2)):
        assert not torch.is_inference_mode_enabled()


def run_all(engine: Engine) -> dict[int, list[StepOutput]]:
    """Step until nothing is left; return what each request got."""
    told: dict[int, list[StepOutput]] = {}
    while engine.has_work:
        for output in engine.step():
            told.setdefault(output.request, []).append(output)
    return told


def text_of(outputs: Sequence[StepOutput]) -> list[int | None]:
    return [output.token_id for output in outputs]


def crowd() -> list[list[int]]:
    """Sixteen prompts of all lengths, some of which begin alike."""
    generator = torch.Generator().manual_seed(4)
    prompts = torch.randint(3, 300, (16, 200), generator=generator).tolist()
    begun = [[*prompts[0][:70], *prompt] if place % 3 == 0 else prompt
             for place, prompt in enumerate(prompts)]  # fmt: skip
    return [prompt[: 1 + 13 * place] for place, prompt in enumerate(begun)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("params", [GREEDY, RANDOM])
def test_a_text_alone_and_among_sixteen_others(
    make_model: Callable[..., GPT], tokenizer: Tokenizer, params: SamplingParams, dtype: torch.dtype
) -> None:
    """The same in bfloat16 too, as each row's numbers are the same to the bit."""
    model = make_model(max_position_embeddings=256).to(dtype)
    head = pack_model(model)
    wanted = replace(params, logprobs=0)

    def engine() -> Engine:
        return Engine(model, tokenizer, ends=NO_END, head=head)

    prompt = list(range(40, 130))
    (alone,) = run_one(engine(), [prompt], wanted)
    together = engine()
    for other in crowd()[:8]:
        together.add_request(other, replace(params, max_tokens=40))
    for _ in range(3):
        together.step()
    request = together.add_request(prompt, wanted)
    for other in crowd()[8:]:
        together.add_request(other, replace(RANDOM, temperature=2.0, max_tokens=5))
    outputs = run_all(together)[request]
    assert text_of(outputs) == text_of(alone)
    for ours, theirs in zip(outputs, alone, strict=True):
        for entry, other_entry in zip(ours.logprobs, theirs.logprobs, strict=True):
            assert entry.logprob == pytest.approx(other_entry.logprob, abs=1e-5)


def run_one(
    engine: Engine, prompts: Sequence[list[int]], params: SamplingParams
) -> list[list[StepOutput]]:
    return list(rows_of(list(engine.generate(prompts, params))).values())


def test_each_request_has_its_own_settings(engine: Engine) -> None:
    settings = [
        GREEDY,
        RANDOM,
        replace(RANDOM, seed=9, top_k=5, max_tokens=7),
        replace(GREEDY, repetition_penalty=1.5, logprobs=2),
        replace(RANDOM, n=3),
    ]
    requests = [engine.add_request(PROMPTS[2], params) for params in settings]
    told = run_all(engine)
    for request, params in zip(requests, settings, strict=True):
        rows: dict[int, list[int | None]] = {}
        for output in told[request]:
            rows.setdefault(output.row, []).append(output.token_id)
        wanted = ids_of(engine, [PROMPTS[2]], params)
        assert [rows[index] for index in range(params.n)] == wanted


def test_a_request_may_come_at_any_step(engine: Engine) -> None:
    first = engine.add_request(PROMPTS[0], GREEDY)
    told: dict[int, list[int | None]] = {first: []}
    for step in range(60):
        if step == 5:
            told[engine.add_request(PROMPTS[2], RANDOM)] = []
        for output in engine.step():
            told[output.request].append(output.token_id)
    assert list(told.values()) == [
        ids_of(engine, [PROMPTS[0]], GREEDY)[0],
        ids_of(engine, [PROMPTS[2]], RANDOM)[0],
    ]
    assert not engine.has_work


@pytest.mark.parametrize("steps", [0, 1, 2, 9])
def test_cancelling_leaves_the_others_alone_and_gives_all_blocks_back(
    make_engine: MakeEngine, steps: int
) -> None:
    engine = make_engine(prompt_tokens=16, step_tokens=16)
    kept = engine.add_request(PROMPTS[0], GREEDY)
    doomed = [engine.add_request(list(range(60)), replace(RANDOM, n=3)) for _ in range(3)]
    told: list[StepOutput] = []
    for _ in range(steps):
        told += engine.step()
    for request in doomed:
        engine.cancel(request)
        engine.cancel(request)  # twice is once
    rest = run_all(engine)
    assert set(rest) <= {kept}
    outputs = [output for output in told if output.request == kept] + rest.get(kept, [])
    assert text_of(outputs) == ids_of(engine, [PROMPTS[0]], GREEDY)[0]
    assert engine._pool.free == engine._pool.count


def test_a_stream_that_is_closed_early_ends_its_request(engine: Engine) -> None:
    steps = engine.generate([PROMPTS[0]], replace(GREEDY, n=2))
    next(steps)
    assert engine.has_work
    steps.close()  # type: ignore[attr-defined] # a generator
    assert not engine.has_work
    assert engine._pool.free == engine._pool.count


def test_two_streams_may_be_read_in_turns_beside_a_request(engine: Engine) -> None:
    request = engine.add_request(PROMPTS[1], RANDOM)
    first, second = engine.generate([PROMPTS[0]], GREEDY), engine.generate([PROMPTS[2]], RANDOM)
    pairs = list(zip(first, second, strict=True))
    assert [ours.token_id for ours, _ in pairs] == ids_of(engine, [PROMPTS[0]], GREEDY)[0]
    assert [theirs.token_id for _, theirs in pairs] == ids_of(engine, [PROMPTS[2]], RANDOM)[0]
    assert text_of(run_all(engine)[request]) == ids_of(engine, [PROMPTS[1]], RANDOM)[0]


def test_few_blocks_change_no_text(make_engine: MakeEngine) -> None:
    """Rows are pre-empted and read again; the pool holds less than two contexts."""
    engine = make_engine(cache_bytes=7 * 8192)
    assert engine._pool.count == 7
    prompts = [list(range(place, place + 20)) for place in range(0, 60, 10)]
    params = replace(RANDOM, max_tokens=40)
    assert ids_of(engine, prompts, params) == ids_of(make_engine(), prompts, params)
    assert engine._scheduler.preemptions > 0
    assert engine._pool.free == 7
    assert make_engine(cache_bytes=1)._pool.count == 4


def test_a_common_beginning_is_read_once(
    make_model: Callable[..., GPT], tokenizer: Tokenizer
) -> None:
    model = make_model(max_position_embeddings=256)
    backend = Counting(TorchBackend(model))
    engine = Engine(model, tokenizer, ends=NO_END, backend=backend)
    system = list(range(3, 153))
    first = ids_of(engine, [[*system, 7, 8]], GREEDY)
    before = backend.tokens
    assert ids_of(engine, [[*system, 7, 8]], GREEDY) == first
    assert backend.tokens - before == 152 - 128 + 23
    before = backend.tokens
    engine.add_request([*system, 7, 8], GREEDY, tenant="another")
    run_all(engine)
    assert backend.tokens - before == 152 + 23
    before = backend.tokens
    ids_of(engine, [[*range(160, 310)]], replace(RANDOM, n=4))
    assert backend.tokens - before == 150 + 4 * 23


class Counting:
    """A backend that counts tokens, and fails on one of them."""

    def __init__(self, backend: TorchBackend, *, bad: int | None = None) -> None:
        self.backend = backend
        self.bad = bad
        self.tokens = 0

    def new_cache(self, blocks: int) -> PagedCache:
        return self.backend.new_cache(blocks)

    def run(self, batch: StepBatch, cache: PagedCache, *, all_logits: bool = False) -> torch.Tensor:
        if self.bad in batch.token_ids.tolist():
            raise RuntimeError(f"token {self.bad} is bad")
        self.tokens += len(batch.token_ids)
        return self.backend.run(batch, cache, all_logits=all_logits)


def test_what_fails_for_one_request_does_not_end_the_others(
    model: GPT, tokenizer: Tokenizer, make_engine: MakeEngine
) -> None:
    engine = Engine(model, tokenizer, ends=NO_END, backend=Counting(TorchBackend(model), bad=299))
    good = engine.add_request(PROMPTS[0], replace(GREEDY, n=2))
    bad = engine.add_request([5, 299], replace(GREEDY, n=2))
    late = engine.add_request(PROMPTS[2], RANDOM)
    told = run_all(engine)
    assert [str(output.error) for output in told[bad]] == ["token 299 is bad"] * 2
    assert all(output.is_last for output in told[bad])
    wanted = ids_of(make_engine(), [PROMPTS[0]], GREEDY)[0]
    for index in range(2):
        assert text_of([one for one in told[good] if one.row == index]) == wanted
    assert text_of(told[late]) == ids_of(make_engine(), [PROMPTS[2]], RANDOM)[0]
    assert engine._pool.free == engine._pool.count
    with pytest.raises(RuntimeError, match="token 299 is bad"):
        list(engine.generate([PROMPTS[0], [299]], GREEDY))
    assert not engine.has_work


def test_a_sampler_that_fails_ends_its_row_only(engine: Engine, make_engine: MakeEngine) -> None:
    class Broken(RowSampler):
        def draw(self) -> float:
            raise ArithmeticError("no numbers left")

    good = engine.add_request(PROMPTS[0], RANDOM)
    bad = engine.add_request(PROMPTS[2], RANDOM)
    engine._requests[bad][0].sampler = Broken(RANDOM, 320, PROMPTS[2], 0)
    told = run_all(engine)
    assert [str(output.error) for output in told[bad]] == ["no numbers left"]
    assert text_of(told[good]) == ids_of(make_engine(), [PROMPTS[0]], RANDOM)[0]


def test_a_prompt_that_does_not_fit_is_refused_by_choice(engine: Engine) -> None:
    with pytest.raises(UsageError, match="has 65 tokens, the model's context only 64"):
        engine.generate([[5] * 65], GREEDY, overflow="refuse")
    with pytest.raises(UsageError, match="has 65 tokens"):
        engine.add_request([5] * 65, GREEDY, overflow="refuse")
    assert len(list(engine.generate([[5] * 64], GREEDY, overflow="refuse"))) == 24


@pytest.mark.parametrize("prompt", [[-1], [320], [5, 10**9]])
def test_unknown_tokens_are_refused(engine: Engine, prompt: list[int]) -> None:
    with pytest.raises(UsageError, match="outside of 0 to 319"):
        engine.add_request(prompt, GREEDY)


@pytest.mark.parametrize("context", [1, 2, 3, 17])
def test_the_smallest_contexts(
    make_model: Callable[..., GPT], tokenizer: Tokenizer, context: int
) -> None:
    model = make_model(max_position_embeddings=context)
    engine = Engine(model, tokenizer, ends=NO_END)
    assert ids_of(engine, [[5]], GREEDY)[0] == uncached(model, [5], GREEDY)


def test_a_sliding_window_is_honored(make_model: Callable[..., GPT], tokenizer: Tokenizer) -> None:
    switches = {"sliding_window": 5, "layer_types": ("sliding_attention", "full_attention")}
    model = make_model(**switches)
    plain = copy.deepcopy(model)
    engine = Engine(model, tokenizer, ends=NO_END, head=pack_model(model))
    unpacked = Engine(plain, tokenizer, ends=NO_END)
    wanted = [uncached(plain, prompt, GREEDY) for prompt in PROMPTS]
    assert ids_of(engine, PROMPTS, GREEDY) == wanted
    assert ids_of(unpacked, PROMPTS, GREEDY) == wanted
    assert wanted[2] != uncached(make_model(), PROMPTS[2], GREEDY)


@pytest.fixture(autouse=True)
def _whole_steps_do_not_fail(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """A step that fails is done again row by row; that must not hide a mistake."""
    yield
    if "fails" not in request.node.name:
        assert "failed" not in caplog.text


@pytest.mark.parametrize("damaged", [float("nan"), 3e38])
@pytest.mark.parametrize("params", [GREEDY, RANDOM])
def test_scores_that_are_no_numbers_are_an_error_and_choose_nothing(
    model: GPT, tokenizer: Tokenizer, params: SamplingParams, damaged: float
) -> None:
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.embedding.weight[7] = damaged
    engine = Engine(model, tokenizer, ends=NO_END)
    with pytest.raises(CheckpointError, match="scores are not numbers"):
        list(engine.generate([[5, 6, 7]], params))


OUT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import torch
from autogpt.core.errors import ResourceError
from autogpt.inference.engine import Engine
from autogpt.inference.params import SamplingParams
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.bpe import TokenizerConfig, train

text = "Shall I compare thee to a summer's day? " * 8
tokenizer = train([text], TokenizerConfig(vocab_size=300), corpus_bytes=len(text))
config = GPTConfig(
    vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=4, head_dim=8, max_position_embeddings=1 << 20,
)
engine = Engine(GPT(config).eval(), tokenizer, ends=frozenset())
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
try:
    list(engine.generate([[1, 2]], SamplingParams(max_tokens=1)))
except ResourceError as error:
    sys.exit(error.message)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_a_context_that_no_memory_holds_is_an_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no memory for the keys and values of" in done.stderr
