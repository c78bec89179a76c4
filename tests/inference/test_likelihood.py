"""Likelihoods: the numbers of the plain forward pass, whatever is shared on the way."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from autogpt.core.errors import UsageError
from autogpt.core.messages import user
from autogpt.inference.backends import TorchBackend
from autogpt.inference.likelihood import Question, pose, score, score_quantized
from autogpt.inference.packing import pack_model
from autogpt.llm import LLM
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tasks.base import Likelihood
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

CONFIG = GPTConfig(
    vocab_size=300,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=64,
    initializer_range=0.3,
)
FULL, SLIDING = "full_attention", "sliding_attention"
CONFIGS = {
    "plain": CONFIG,
    "window": dataclasses.replace(
        CONFIG, sliding_window=9, layer_types=(SLIDING, FULL, SLIDING), rope_local_base_freq=500.0
    ),
    "learned": dataclasses.replace(CONFIG, positions="learned", norm="layer"),
}
TEXT = "Is it late? It is late. 今天天气很好，我们去公园散步。\n" * 6


def model_of(config: GPTConfig) -> GPT:
    torch.manual_seed(0)
    return GPT(config).eval()


def questions_of(seed: int, *, beginning: int = 0) -> list[Question]:
    chance = random.Random(seed)
    first = [chance.randrange(300) for _ in range(beginning)]

    def ids(low: int, high: int) -> list[int]:
        return [chance.randrange(300) for _ in range(chance.randint(low, high))]

    return [
        Question([*first, *ids(1, 30)], [ids(1, 6) for _ in range(chance.randint(1, 5))])
        for _ in range(7)
    ]


@torch.inference_mode()
def plainly(model: GPT, question: Question) -> list[Likelihood]:
    """Read the prompt with each continuation by itself, every token scored."""
    found = []
    context = model.config.max_position_embeddings
    for continuation in question.continuations:
        ids = [*question.prompt, *continuation][-context - 1 :]
        logprobs = model.logits(model(torch.tensor([ids[:-1]]))).log_softmax(-1)[0]
        logprobs = logprobs[-len(continuation) :]
        target = torch.tensor(continuation)
        found.append(
            Likelihood(
                logprob=float(logprobs.gather(1, target[:, None]).sum()),
                tokens=len(continuation),
                greedy=bool((logprobs.argmax(-1) == target).all()),
            )
        )
    return found


def assert_same(found: list[list[Likelihood]], wanted: list[list[Likelihood]]) -> None:
    assert [[one.tokens for one in row] for row in found] == [
        [one.tokens for one in row] for row in wanted
    ]
    for ours, theirs in zip(found, wanted, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
            assert one.greedy == other.greedy


@pytest.mark.parametrize("beginning", [0, 20])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_are_those_of_the_plain_pass(name: str, beginning: int) -> None:
    model = model_of(CONFIGS[name])
    questions = questions_of(1, beginning=beginning)
    wanted = [plainly(model, question) for question in questions]
    assert len({one.logprob for row in wanted for one in row}) > 10
    assert_same(score(model, model.logits, questions), wanted)
    assert_same(score(model, model.logits, questions, tokens_at_once=50), wanted)
    backend = TorchBackend(model)
    assert_same(score_quantized(backend, questions, context=64), wanted)
    assert_same(score_quantized(backend, questions, context=64, tokens_at_once=30), wanted)
    head = pack_model(model)
    assert_same(score(model, head, questions), wanted)


def test_greedy_is_what_the_model_would_write() -> None:
    model = model_of(CONFIG)
    ids = [5, 6, 7]
    for _ in range(4):
        ids.append(int(model.logits(model(torch.tensor([ids])))[0, -1].argmax()))
    other = [*ids[3:6], (ids[6] + 1) % 300]
    question = Question(ids[:3], [ids[3:], ids[3:5], other])
    found = score(model, model.logits, [question])[0]
    assert [one.greedy for one in found] == [True, True, False]
    assert [one.tokens for one in found] == [4, 2, 4]


def test_too_long_a_prompt_loses_its_beginning() -> None:
    model = model_of(CONFIG)
    chance = random.Random(3)
    prompt = [chance.randrange(300) for _ in range(90)]
    questions = [Question(prompt, [[1], [2, 3, 4]]), Question(prompt[:62], [[7, 8], [9] * 5, [1]])]
    wanted = [plainly(model, question) for question in questions]
    assert_same(score(model, model.logits, questions), wanted)
    assert_same(score_quantized(TorchBackend(model), questions, context=64), wanted)
    with pytest.raises(UsageError, match="65 tokens, more than the 64"):
        score(model, model.logits, [Question([1], [[2] * 65])])
    with pytest.raises(UsageError, match="nothing to score"):
        Question([1], [[]])


def test_many_continuations_take_several_rows() -> None:
    model = model_of(CONFIG)
    chance = random.Random(4)
    question = Question(
        [chance.randrange(300) for _ in range(20)],
        [[chance.randrange(300) for _ in range(5)] for _ in range(40)],
    )
    assert_same(score(model, model.logits, [question]), [plainly(model, question)])


def test_nothing_is_asked() -> None:
    model = model_of(CONFIG)
    assert score(model, model.logits, []) == []
    assert score(model, model.logits, [Question([1], [])]) == [[]]
    assert score_quantized(TorchBackend(model), [], context=64) == []


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    return train([TEXT], settings, corpus_bytes=len(TEXT.encode()))


@pytest.mark.parametrize(
    ("prompt", "continuation"),
    [("It is", " late"), ("It is ", "late"), ("今天", "天气很好"), ("", "It is"), (" \n", "late")],
)
def test_spaces_go_to_the_continuation(
    tokenizer: Tokenizer, prompt: str, continuation: str
) -> None:
    question = pose(tokenizer, [0], prompt, [continuation])
    ids = [*question.prompt[1:], *question.continuations[0]]
    assert tokenizer.decode(ids) == prompt + continuation
    assert tokenizer.decode(question.prompt[1:]) == prompt.rstrip()


def test_a_loaded_model_says_how_likely_texts_are(tokenizer: Tokenizer) -> None:
    config = dataclasses.replace(CONFIG, vocab_size=tokenizer.vocab_size)
    model = model_of(config)
    gpt = LLM(model, tokenizer)
    found = gpt.likelihoods(["It is ", "今天"], [["late", "early."], ["天气"]])
    again = gpt.likelihoods(["It is"], [[" late", " early."]])
    assert found[0] == again[0]
    assert [len(row) for row in found] == [2, 1]
    chat = gpt.likelihoods([[user("Is it late?")]], [["late"]])[0][0]
    assert chat.tokens == len(tokenizer.encode("late"))
    assert chat.logprob < 0
    with pytest.raises(UsageError, match="empty"):
        gpt.likelihoods(["It is"], [[""]])


def test_an_empty_prompt_begins_a_document(tokenizer: Tokenizer) -> None:
    gpt = LLM(model_of(dataclasses.replace(CONFIG, vocab_size=tokenizer.vocab_size)), tokenizer)
    first = tokenizer.encode("late")
    wanted = plainly(gpt.model, Question([tokenizer.pad_id], [first]))[0]
    assert gpt.likelihoods([""], [["late"]])[0][0].logprob == pytest.approx(
        wanted.logprob, abs=1e-4
    )
