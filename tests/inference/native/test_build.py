from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from autogpt.core.hardware import cpp_compiler
from autogpt.core.memo import cache_folder
from autogpt.inference.native import load_backend
from autogpt.inference.native.backend import NativeBackend
from autogpt.inference.native.build import BuildError, Built, _find_library, build
from autogpt.inference.native.probe import is_faster
from autogpt.models.gpt import GPT
from autogpt.models.quantized import QuantizedModel

Make = Callable[..., tuple[QuantizedModel, GPT]]

needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler")


def fake_compiler(folder: Path, action: str) -> str:
    """Return a program that says its version, or does something to the file after ``-o``."""
    script = folder / "compiler"
    script.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        "if '--version' in sys.argv:\n    print('fake 1.0')\n    sys.exit()\n"
        "output = sys.argv[sys.argv.index('-o') + 1]\n"
        f"open({str(folder / 'calls')!r}, 'a').write('x')\n{action}\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def library(built: Built) -> Path:
    """A compiled decoder."""
    return cache_folder() / f"native-{built.name}-{built.key}" / "decoder.so"


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path / "cache"))
    return tmp_path


@needs_compiler
def test_a_library_is_compiled_once_and_again_when_it_is_damaged(
    library: Path, no_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = f"shutil.copy({str(library)!r}, output)"
    monkeypatch.setenv("CXX", fake_compiler(no_cache, action))
    first = build("portable") if "portable" in str(library) else build("avx2")
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: build(first.name), range(8)))
    assert {one.key for one in again} == {first.key}
    assert (no_cache / "calls").read_text(encoding="utf-8") == "x"
    kept = cache_folder() / f"native-{first.name}-{first.key}" / "decoder.so"
    kept.unlink()
    kept.write_bytes(b"\x7fELF")
    build(first.name)
    assert (no_cache / "calls").read_text(encoding="utf-8") == "xx"
    assert kept.stat().st_size == library.stat().st_size
    assert not list(cache_folder().glob(".native*"))


def test_a_compiler_that_fails_is_asked_once(
    no_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = "print('x.cpp:1: error: no such luck', file=sys.stderr)\nsys.exit(1)"
    monkeypatch.setenv("CXX", fake_compiler(no_cache, action))
    for _ in range(2):
        with pytest.raises(BuildError, match="no such luck"):
            build("portable")
    assert (no_cache / "calls").read_text(encoding="utf-8") == "x"
    assert not list(cache_folder().glob("native*"))


def test_without_a_compiler_torch_is_used_and_one_warning_says_so(
    make_quantized: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    _find_library.cache_clear()
    quantized, _ = make_quantized()
    assert load_backend(quantized) is None
    assert load_backend(quantized) is None
    _find_library.cache_clear()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "quantized models run in torch, which is slower: There is no C++ compiler (g++ or clang++)."
    ]
    assert quantized.dequantized(torch.float32)(torch.tensor([[1, 2]])).isfinite().all()


@pytest.mark.usefixtures("no_cache")
def test_the_decoder_is_tried_against_torch_once(built: Built, make_quantized: Make) -> None:
    calls = []

    def make(quantized: QuantizedModel, found: Built) -> NativeBackend:
        calls.append(found.name)
        return NativeBackend(quantized, found)

    quantized, _ = make_quantized()
    while not is_faster(built, quantized, make) and len(calls) < 5:
        pass  # a busy machine is asked again
    asked = len(calls)
    if asked < 5:
        assert is_faster(built, quantized, make)
        assert len(calls) == asked
    assert quantized.matrices  # not used up


@pytest.mark.usefixtures("no_cache")
def test_a_model_with_more_layers_of_two_kinds_is_tried_with_two(
    built: Built, make_quantized: Make, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = ("sliding_attention",) * 2 + ("full_attention",)
    quantized, _ = make_quantized(num_hidden_layers=3, layer_types=kinds, sliding_window=20)
    is_faster(built, quantized, NativeBackend)  # which of the two is, the machine says
    assert "wrong numbers" not in caplog.text


@pytest.mark.usefixtures("no_cache")
def test_a_decoder_that_is_wrong_is_not_used(
    built: Built, make_quantized: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def make(quantized: QuantizedModel, found: Built) -> NativeBackend:
        backend = NativeBackend(quantized, found)
        backend._model.eps = 1e6
        return backend

    quantized, _ = make_quantized()
    assert not is_faster(built, quantized, make)
    assert "wrong numbers" in caplog.text


def test_source_and_headers_are_shipped() -> None:
    folder = Path(build.__code__.co_filename).parent
    patterns = Path("pyproject.toml").read_text(encoding="utf-8")
    assert "inference/native/*.?pp" in patterns
    assert {path.suffix for path in folder.glob("*.?pp")} == {".cpp", ".hpp"}
