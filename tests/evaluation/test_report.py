from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt.core.errors import ResourceError
from autogpt.evaluation import report as report_module
from autogpt.evaluation.curves import Measurement
from autogpt.evaluation.report import (
    Command,
    Decision,
    Outcome,
    Picture,
    RunReport,
    render_report,
    visible,
    write_report,
)
from autogpt.models.card_facts import (
    ArchitectureFacts,
    CorpusFacts,
    ModelFacts,
    Removal,
    ResultFacts,
    Sample,
    TokenizerFacts,
    TrainingFacts,
)
from autogpt.training.record import Entry

ATTACK = "<script>alert(1)</script>\" onmouseover='x' </pre></td><img src=http://evil.example/x>"


def measured(*losses: float) -> list[Measurement]:
    found: list[Measurement] = []
    for index, loss in enumerate(losses, start=1):
        place = {"step": index, "tokens": index * 100_000, "elapsed_s": index * 10.0}
        found.append(Entry(kind="train", **place, loss=loss - 0.05, tokens_per_s=1e4))  # type: ignore[arg-type]  # place holds the right types
        found.append(Entry(kind="validation", **place, loss=loss, bits_per_byte=loss * 0.7))  # type: ignore[arg-type]  # as above
    return found


def example(text: str = "plain", *, measurements: Sequence[Measurement] = ()) -> RunReport:
    facts = ModelFacts(
        name=f"plays {text}",
        reference=f"runs/{text}",
        created="2026-01-02T03:04:05+00:00",
        autogpt_version="0.1.0",
        corpus=CorpusFacts(
            sources=("plays.txt", text),
            documents=1300,
            size_bytes=1_268_809,
            files=2,
            encodings={"utf-8": 1, text: 1},
            skipped=1,
            skipped_examples=(f"rows.jsonl:12: {text}",),
            train_documents=1100,
            train_bytes=1_130_000,
            train_tokens=300_000,
            validation_documents=130,
            validation_bytes=125_000,
            validation_tokens=33_000,
            removals=(
                Removal(step="exact duplicates", documents=14, size_bytes=5120, examples=(text,)),
                Removal(step=text, documents=0, size_bytes=0),
            ),
        ),
        tokenizer=TokenizerFacts(kind="byte-level BPE", vocab_size=4096, bytes_per_token=3.42),
        architecture=ArchitectureFacts(
            family="qwen3",
            parameters=5_312_512,
            layers=6,
            hidden_size=256,
            heads=4,
            key_value_heads=2,
            context_length=256,
        ),
        training=TrainingFacts(
            steps=2100,
            tokens=6_900_000,
            train_s=118.2,
            wall_s=141.0,
            tokens_per_s=35_900.0,
            method=text,
            machine=text,
            peak_memory_bytes=1_310_000_000,
            energy_kwh=0.00084,
            energy_basis=f"A rough estimate: {text}",
        ),
        result=ResultFacts(loss=1.5573, bits_per_byte=1.0901, compressors={"gzip": 3.44}),
        samples=(
            Sample(prompt=text, continuation=f"{text} and on", language="en", settings=text),
            Sample(prompt="子曰：", continuation="学而时习之", language=text),
        ),
    )
    return RunReport(
        facts=facts,
        measurements=measurements,
        settings={"seed": 0, text: text, "data": {"clean": {text: [text, 0.1, True]}}},
        phases_s={"read": 0.4, "train": 118.2, text: 1.0},
        outcomes=(
            Outcome(name=text, planned=text, expected="9m to 11m", happened="10m 03s", kept=True),
        ),
        decisions=(Decision(setting="attention", value=text, reason=text),),
        next_commands=(Command(command=f"autogpt generate {text}", purpose=text),),
        provenance={"torch": "2.13.0", text: text},
        flops_per_s=210e9,
        matmul_flops_per_s=420e9,
    )


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed, in order; keeps the tags and the text."""

    void = frozenset({"meta", "br", "img", "source"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


PICTURES = (
    Picture(png=b"dark", media="(prefers-color-scheme: dark)"),
    Picture(png=b"", media="all"),
)


def render(report: RunReport) -> str:
    """Render without drawing the curves anew each time."""
    return render_report(report, pictures=PICTURES)


def test_the_page_says_what_there_is_to_know(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", example(measurements=measured(3.0, 2.0, 1.6)))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    for words in (
        "Validation loss 1.557",
        "1.090 bits per byte",
        "5.3M",
        "0.84 Wh",
        "exact duplicates",
        "14",
        "5.1 kB",
        "3.42 bytes per token",
        "utf-8 (1 file)",
        "rows.jsonl:12",
        "学而时习之",
        "everything else",
        "210 GFLOP/s, 50% of this machine's measured 420",
        "data.clean",
        "autogpt generate plain",
    ):
        assert words in page.text, words
    assert dict(page.tags)["html"]["lang"] == "en"
    assert any(attrs.get("name") == "viewport" for _, attrs in page.tags)


def test_the_page_needs_nothing_else() -> None:
    html = render_report(example(measurements=measured(3.0, 2.0)))
    page = Page(html)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "form", "a"} & set(names)
    addresses = [attrs[name] for _, attrs in page.tags for name in ("src", "srcset", "href")
                 if name in attrs]  # fmt: skip
    assert len(addresses) == 4  # light and dark, wide and narrow
    assert all(str(address).startswith("data:image/png;base64,") for address in addresses)
    assert "@import" not in html
    assert "url(" not in html
    [policy] = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def assert_harmless(page: Page, plain: Page) -> None:
    """The user's text adds no tag and no attribute to those of the plain page."""
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(attrs) for _, attrs in page.tags] == [set(attrs) for _, attrs in plain.tags]


def test_the_text_of_the_user_stays_text() -> None:
    html = render(example(ATTACK))
    assert "<script" not in html
    page = Page(html)
    assert_harmless(page, Page(render(example())))
    assert page.text.count(ATTACK) > 10


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters() | st.sampled_from("<>&\"'{}%\r\0\x85\u202e\ufeff"), max_size=60))
def test_any_text_is_harmless(text: str) -> None:
    base = example("." + text + ".")
    page = Page(render(base))
    assert_harmless(page, Page(render(example())))
    assert visible("." + text + ".") in page.text


def test_hidden_characters_are_shown() -> None:
    assert visible("a\0b\x07\u202e\ufeff\ud800\r") == (
        "a[U+0000]b[U+0007][U+202E][U+FEFF][U+D800][U+000D]"
    )
    assert visible("你好 \n\tété 👩\u200d🔬") == "你好 \n\tété 👩\u200d🔬"


def test_long_examples_are_cut() -> None:
    html = render(example("x" * 5000))
    assert "x" * 300 + " …" in html


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ((3.0, 2.0, 1.6), "still falling"),
        ((3.0, 1.601, 1.6), "hardly moving"),
        ((3.0, 0.05, 0.01), "examples like these are known"),
        ((3.0, 1.5, 1.9), "lowest, 1.500, after 200.0K tokens and rose to 1.900"),
    ],
)
def test_the_course_of_the_run_is_put_in_words(losses: tuple[float, ...], words: str) -> None:
    assert words in render(example(measurements=measured(*losses)))


def test_one_look_twice_is_one_point() -> None:
    measurements = [*measured(3.0, 2.0), measured(3.0, 2.0)[-1]]
    assert "still falling" in render(example(measurements=measurements))


def test_a_model_that_does_no_better_than_gzip_is_called_that() -> None:
    report = example()
    result = ResultFacts(loss=5.0, bits_per_byte=3.9, compressors={"gzip": 3.4, "xz": 3.1})
    worse = replace(report.facts, result=result)
    html = render(replace(report, facts=worse))
    assert "gzip 2.4 and xz 2.6" in html
    assert "learned little" in html
    assert "learned little" not in render(report)


def test_what_is_not_known_is_left_out() -> None:
    report = example()
    training = replace(report.facts.training, energy_kwh=None, peak_memory_bytes=None)
    facts = replace(report.facts, training=training, samples=(), created="",
                    result=ResultFacts(loss=math.nan, bits_per_byte=math.nan))  # fmt: skip
    bare = RunReport(facts=facts, measurements=(), settings={}, phases_s={})
    page = Page(render(bare))
    for words in ("Energy", "Peak memory", "What it writes", "Try next", "Provenance", "None"):
        assert words not in page.text, words


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError):
        write_report(tmp_path / "file" / "report.html", example())


def test_the_template_ships_beside_the_code() -> None:
    assert (Path(report_module.__file__).parent / "report.html.j2").is_file()
