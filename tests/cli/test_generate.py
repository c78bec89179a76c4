"""``autogpt generate`` on a tiny model of random weights: what it prints, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autogpt.cli.app import main
from autogpt.llm import LLM, load
from tests.cli.commands import command
from tests.llm.test_model import make_run

PROMPTS = [f"{start} {number}" for number in range(9) for start in ("Shall I", "學而")]
CONTRACT = {"text", "finish_reason", "usage", "timing"}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("generate"))


@pytest.fixture(scope="module")
def gpt(run_folder: Path) -> LLM:
    return load(run_folder)


class Command:
    """The command in this process: importing torch anew for every test would take most of it."""

    def __init__(
        self,
        folder: Path,
        capture: pytest.CaptureFixture[str],
        patch: pytest.MonkeyPatch,
    ) -> None:
        self._folder, self._capture, self._patch = folder, capture, patch
        self.errors = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        line = ["autogpt", "generate", str(self._folder), *arguments, "--seed", "1"]
        self._patch.setattr(sys, "argv", line)
        returned = main()
        output, self.errors = self._capture.readouterr()
        assert returned == code, self.errors
        return output

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*arguments).splitlines()]


@pytest.fixture
def generate(
    run_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(run_folder, capsys, monkeypatch)


def process(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    line = command("generate", str(folder), *arguments, "--temperature", "2", "--seed", "1")
    pipe = subprocess.PIPE
    return subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe)


def test_text_is_the_continuation_alone(generate: Command, gpt: LLM):
    text = generate("Shall I", "--max-tokens", "12")
    assert text == gpt.generate("Shall I", max_tokens=12, seed=1).text + "\n"


def test_json_has_the_fields_that_scripts_rely_on(generate: Command):
    (line,) = generate.lines("Shall I", "--max-tokens", "4", "--json")
    assert set(line) == CONTRACT | {"index"}
    assert line["usage"] == {"prompt_tokens": 3, "completion_tokens": 4}
    assert set(line["timing"]) == {"load_s", "first_token_s", "tokens_per_s"}


def test_several_completions(generate: Command):
    lines = generate.lines("Shall I", "--max-tokens", "6", "--n", "3", "--json")
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert len({line["text"] for line in lines}) == 3
    text = generate("Shall I", "--max-tokens", "6", "--n", "3")
    assert text == "".join(f"{line['text']}\n\n" for line in lines)


def test_stop_and_logprobs(generate: Command, gpt: LLM):
    whole = gpt.generate("Thou", max_tokens=30, seed=1).text
    stop = whole[5:8]
    flags = ("--stop", stop, "--stop", "never there", "--logprobs", "2", "--json")
    (line,) = generate.lines("Thou", "--max-tokens", "30", *flags)
    assert line["text"] == whole[: whole.index(stop)]
    assert line["finish_reason"] == "stop"
    first = line["logprobs"][0]
    assert set(first) == {"token", "bytes", "logprob", "top_logprobs"}
    assert len(first["top_logprobs"]) == 2


def test_texts_that_must_match(generate: Command):
    schema = {"type": "object", "properties": {"城市": {"type": "string"}}, "required": ["城市"]}
    Path("city.json").write_text(json.dumps(schema), encoding="utf-8")
    Path("x.lark").write_text('start: "x"+', encoding="utf-8")
    for given in ("city.json", json.dumps(schema)):
        text = generate("Shall I", "--json-schema", given, "--max-tokens", "24")
        assert next(iter(json.loads(text))) == "城市"
    assert generate("day", "--choices", "yes, no") in ("yes\n", "no\n")
    assert generate("day", "--choices", '["是, 也"]') == "是, 也\n"
    assert generate("day", "--regex", "[0-9]{4}").strip().isdigit()
    assert set(generate("day", "--grammar", "x.lark", "--max-tokens", "5").strip()) == {"x"}


def test_beams_and_penalties(generate: Command, gpt: LLM):
    lines = generate.lines("day", "--beams", "3", "--n", "2", "--max-tokens", "6", "--json")
    best = gpt.complete(["day"], gpt.sampling(beams=3, n=2, max_tokens=6))[0]
    assert [line["text"] for line in lines] == [completion.text for completion in best]
    flags = ("--presence-penalty", "1", "--frequency-penalty", "1", "--repetition-penalty", "1.2")
    dry = ("--dry-multiplier", "0.8", "--dry-base", "2", "--dry-breaker", "x")
    text = generate("day", *flags, *dry, "--logit-bias", "3=-100", "--max-tokens", "8")
    assert text == (
        gpt.generate(
            "day", presence_penalty=1, frequency_penalty=1, repetition_penalty=1.2, seed=1,
            dry_multiplier=0.8, dry_base=2, dry_breakers=["x"], logit_bias={3: -100}, max_tokens=8,
        ).text
        + "\n"
    )  # fmt: skip


def test_an_empty_prompt_begins_a_text(generate: Command):
    (line,) = generate.lines("", "--max-tokens", "3", "--json")
    assert line["usage"]["prompt_tokens"] == 1


def test_a_prompt_longer_than_the_context(
    generate: Command, caplog: pytest.LogCaptureFixture
) -> None:
    (line,) = generate.lines("Thou art " * 100, "--max-tokens", "3", "--json")
    assert line["usage"]["prompt_tokens"] == 61
    assert "only the last 61 are read" in caplog.text


def test_a_prompt_that_does_not_fit_is_refused_by_choice(generate: Command) -> None:
    refused = ("Thou art " * 100, "--overflow", "refuse", "--json")
    error = json.loads(generate(*refused, code=2))["error"]
    assert "the model's context only 64" in error["message"]
    generate("Thou", "--overflow", "cut", code=2)
    assert "--overflow is 'cut', expected 'truncate' or 'refuse'" in generate.errors


def test_guessing_ahead_changes_nothing(generate: Command) -> None:
    plain = generate("Thou art, thou art", "--max-tokens", "30")
    assert generate("Thou art, thou art", "--max-tokens", "30", "--draft", "lookup") == plain


def write(path: Path, prompts: list[str]) -> None:
    """Write prompts in the format that the suffix names."""
    rows = [{"id": "7", "text": prompt} for prompt in prompts]
    if path.suffix == ".txt":
        path.write_text("\n".join(prompts), encoding="utf-8", newline="\r\n")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ["id", "text"])
            table.writeheader()
            table.writerows(rows)
    else:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("name", ["p.txt", "p.csv", "p.jsonl", "p.jsonl.gz"])
def test_many_prompts_give_what_each_gives_alone(name: str, generate: Command, gpt: LLM):
    write(Path(name), PROMPTS)
    lines = generate.lines("--input", name, "--max-tokens", "5")
    assert [line["prompt"] for line in lines] == PROMPTS
    assert all(set(line) == CONTRACT | {"source", "prompt", "index"} for line in lines)
    first = 2 if name == "p.csv" else 1
    assert [line["source"] for line in lines] == [
        f"{name}:{number}" for number in range(first, first + len(PROMPTS))
    ]
    for line in lines:
        alone = gpt.generate(line["prompt"], max_tokens=5, seed=1)
        assert line["text"] == alone.text
        assert line["usage"] == alone.usage.to_dict()


def test_many_prompts_with_several_completions(generate: Command, gpt: LLM):
    write(Path("p.txt"), PROMPTS[:5])
    lines = generate.lines("--input", "p.txt", "--max-tokens", "4", "--n", "7", "--logprobs", "0")
    order = [(line["prompt"], line["index"]) for line in lines]
    assert order == [(prompt, index) for prompt in PROMPTS[:5] for index in range(7)]
    assert all("logprobs" in line for line in lines)
    alone = gpt.complete([PROMPTS[4]], gpt.sampling(max_tokens=4, seed=1, n=7))[0]
    assert [line["text"] for line in lines[-7:]] == [completion.text for completion in alone]


def test_blank_lines_are_passed_over_and_told(generate: Command):
    Path("p.txt").write_text("\n\nday\n   \nthee\n\n", encoding="utf-8")
    lines = generate.lines("--input", "p.txt", "--max-tokens", "2")
    assert [(line["source"], line["prompt"]) for line in lines] == [
        ("p.txt:3", "day"),
        ("p.txt:5", "thee"),
    ]
    assert "blank prompts: 4" in generate.errors


def test_prompts_longer_than_a_readers_block_stay_whole(generate: Command):
    long = "Thou art more lovely. " * 4000
    write(Path("p.jsonl"), ["day", long, "thee"])
    lines = generate.lines("--input", "p.jsonl", "--max-tokens", "2")
    assert [line["prompt"] for line in lines] == ["day", long, "thee"]
    Path("p.txt").write_text(f"day\n{long}\nthee", encoding="utf-8")
    lines = generate.lines("--input", "p.txt", "--max-tokens", "2")
    assert [line["prompt"] for line in lines] == ["day", long, "thee"]
    assert [line["source"] for line in lines] == ["p.txt:1", "p.txt:2", "p.txt:3"]


def test_a_named_field_and_broken_rows(generate: Command):
    Path("p.jsonl").write_text(
        '{"text": "x", "q": "day"}\n{"text": "x"}\n{"q": \n{"text": "x", "q": "thee"}\n',
        encoding="utf-8",
    )
    assert generate("--input", "p.jsonl", "--text-field", "q", code=1) == ""
    assert "'p.jsonl' line 2 has no field 'q'" in generate.errors
    flags = ("--text-field", "q", "--on-error", "skip", "--max-tokens", "2")
    lines = generate.lines("--input", "p.jsonl", *flags)
    assert [line["prompt"] for line in lines] == ["day", "thee"]
    assert "Skipped 2" in generate.errors
    assert "line 3 is not valid JSON" in generate.errors


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no prompt"),
        (["x", "--input", "good.txt"], 2, "both given"),
        (["x", "--text-field", "q"], 2, "--text-field is for"),
        (["x", "--on-error", "skip"], 2, "--on-error is for"),
        (["x", "--logprobs", "1"], 2, "Add --json"),
        (["x", "--temperature", "-1"], 2, "temperature is -1.0"),
        (["x", "--top-p", "2"], 2, "top_p is 2.0"),
        (["x", "--top-k", "0"], 2, "top_k is 0"),
        (["x", "--n", "0"], 2, "n is 0"),
        (["x", "--max-tokens", "0"], 2, "max_tokens is 0"),
        (["x", "--max-tokens", "many"], 2, "--max-tokens"),
        (["x", "--stop", ""], 2, "stop is"),
        (["x", "--presence-penalty", "3"], 2, "presence_penalty is 3.0"),
        (["x", "--logit-bias", "5"], 2, "--logit-bias is '5'"),
        (["x", "--beams", "4", "--top-p", "0.5"], 2, "beams leave nothing to chance"),
        (["x", "--json-schema", "missing.json"], 2, "'missing.json' does not exist"),
        (["x", "--json-schema", "{"], 2, "The JSON schema is not JSON"),
        (["x", "--json-schema", "{}", "--regex", "a"], 2, "were both given"),
        (["x", "--json-schema", '{"const": "yes"}', "--max-tokens", "2"], 2, "takes 5 tokens"),
        (["x", "--regex", "(a"], 2, "unclosed group"),
        (["x", "--choices", "a,,b"], 2, "One of choices is ''"),
        (["x", "--choices", '["a"'], 2, "no list in JSON"),
        (["x", "--grammar", "picture.png"], 2, "is not UTF-8"),
        (["--input", "good.txt", "--on-error", "maybe"], 2, "'maybe'"),
        (["--input", "good.txt", "--text-field", "q"], 2, "plain text"),
        (["--input", "."], 2, "one file was expected"),
        (["--input", "*.txt"], 2, "one file was expected"),
        (["--input", "good.jsonl", "--text-field", "txet"], 1, "Did you mean 'text'"),
        (["--input", "missing.txt"], 1, "does not exist"),
        (["--input", "empty.txt"], 1, "'empty.txt' is empty"),
        (["--input", "blank.txt"], 1, "no text in blank.txt"),
        (["--input", "picture.png"], 1, "binary"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], code: int, words: str, generate: Command
) -> None:
    Path("good.txt").write_text("day\n", encoding="utf-8")
    Path("good.jsonl").write_text('{"text": "day"}\n', encoding="utf-8")
    Path("blank.txt").write_text("\n \n", encoding="utf-8")
    Path("empty.txt").touch()
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\r")
    assert generate(*arguments, code=code) == ""
    assert words in generate.errors
    assert generate.errors.startswith("autogpt: ")
    assert generate.errors.count("\n") == 1


def test_wrong_settings_are_told_before_the_model_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["autogpt", "generate", "no-model", "x", "--top-p", "2"])
    assert main() == 2
    assert "top_p is 2.0" in capsys.readouterr().err


def test_standard_input(run_folder: Path, gpt: LLM):
    """A prompt without the line break that ``echo`` adds; or rows, told by their first line."""
    one = process(run_folder, "-", "--max-tokens", "6")
    many = process(run_folder, "--input", "-", "--max-tokens", "6")
    text = one.communicate("學而\n".encode(), timeout=120)[0].decode()
    assert text == gpt.generate("學而", max_tokens=6, temperature=2, seed=1).text + "\n"
    line = json.loads(many.communicate(b'{"text": "day"}\n', timeout=120)[0])
    assert (line["source"], line["prompt"]) == ("stdin:1", "day")
    assert line["text"] == gpt.generate("day", max_tokens=6, temperature=2, seed=1).text


def test_ctrl_c_keeps_what_was_written(run_folder: Path):
    writer = process(run_folder, "day", "--max-tokens", "1000000", "--stop", "never there")
    assert writer.stdout is not None
    start = writer.stdout.read(8)
    writer.send_signal(signal.SIGINT)
    rest, errors = writer.communicate(timeout=60)
    assert writer.returncode == 130
    assert len(start) == 8
    assert rest.endswith(b"\n")
    assert errors == b""


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_reader_that_leaves_ends_it_quietly(flags: list[str], run_folder: Path):
    with process(run_folder, "day", "--max-tokens", "300", *flags) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(timeout=120) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_sentence(run_folder: Path):
    with Path("/dev/full").open("wb") as full:
        line = command("generate", str(run_folder), "day", "--max-tokens", "5", "--json")
        result = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(b"autogpt: The disk is full")
    assert result.stderr.count(b"\n") == 1
