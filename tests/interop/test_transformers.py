"""Encoders behind ``autogpt.load``: the same vectors as transformers gives, and what is refused."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

import autogpt
from autogpt.core import store
from autogpt.core.errors import CheckpointError, UsageError
from autogpt.interop.pooling import pool
from autogpt.interop.transformers import Encoder, NotADecoderError
from autogpt.llm import load

TEXTS = ["the boiler is broken", "no hot water", "天气很好", "", "a 🙂 [SEP] b", "hot " * 9]
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 64,
}  # fmt: skip


def make_tokenizer(folder: Path) -> None:
    """Write a word-level tokenizer that puts [CLS] before and [SEP] behind, as BERT's does."""
    words = [
        *("the", "boiler", "is", "broken", "no", "hot", "water", "a", "b"),
        *"天气很好[]",
        "sep",
    ]
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(handle_chinese_chars=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(folder)  # fmt: skip


def make_encoder(folder: Path, model_type: str = "bert", **settings: object) -> Path:
    config = transformers.AutoConfig.for_model(
        model_type, **{"vocab_size": 20, "pad_token_id": 0, **SIZES, **settings}
    )
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).eval().save_pretrained(folder)
    make_tokenizer(folder)
    return folder


def make_sentence_encoder(folder: Path, pooling: dict[str, object], *last: str) -> Path:
    make_encoder(folder)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), *((f"2_{kind}", kind) for kind in last)]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    loaded = load(folder)
    assert isinstance(loaded, Encoder)
    return loaded


def mean_by_hand(folder: Path, text: str) -> Tensor:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        inputs = tokenizer([text], return_tensors="pt", split_special_tokens=True)
        vectors = model(inputs["input_ids"], attention_mask=inputs["attention_mask"])
    mean: Tensor = vectors.last_hidden_state[0].mean(0)
    return mean / mean.norm()


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        ("bert", {}),
        ("roberta", {"max_position_embeddings": 66}),
        ("xlm-roberta", {"max_position_embeddings": 66}),
        ("distilbert", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
        ("mpnet", {}),
        ("electra", {"embedding_size": 32}),
        ("albert", {"embedding_size": 16}),
        ("deberta-v2", {}),
        ("camembert", {"max_position_embeddings": 66}),
        ("modernbert", {"global_attn_every_n_layers": 2, "cls_token_id": 2, "sep_token_id": 3}),
    ],
)
def test_each_family_gives_the_mean_of_its_vectors(
    tmp_path: Path, model_type: str, settings: dict[str, object]
) -> None:
    folder = make_encoder(tmp_path, model_type, **settings)
    vectors = load(folder).embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        torch.testing.assert_close(vector, mean_by_hand(folder, text), atol=1e-5, rtol=0)


def test_a_text_alone_and_among_others(encoder: Encoder) -> None:
    together = encoder.embed(TEXTS * 20)
    alone = torch.cat([encoder.embed([text]) for text in TEXTS])
    torch.testing.assert_close(together[: len(TEXTS)], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together[-len(TEXTS) :], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(together)))
    assert not torch.allclose(alone[0], alone[2], atol=1e-2)


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    assert encoder.embed([]).shape == (0, 32)
    assert encoder.embed([""]).isfinite().all()


@pytest.mark.parametrize("texts", ["one text", ["a", 1], [None], [["a"]]])
def test_only_a_list_of_texts_is_taken(encoder: Encoder, texts: object) -> None:
    with pytest.raises(UsageError, match="list of texts"):
        encoder.embed(texts)  # type: ignore[arg-type] # on purpose


def test_a_long_text_is_cut_and_said(encoder: Encoder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        long, same = encoder.embed(["hot " * 500 + "water", "hot " * 62])
    torch.testing.assert_close(long, same, atol=1e-6, rtol=0)
    assert "1 of 2 texts are longer than 64 tokens" in caplog.text


@pytest.mark.parametrize(
    ("pooling", "modes"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, ("mean",)),
        ({"pooling_mode_cls_token": True}, ("cls",)),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}, ("max", "mean")),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len_tokens",)),
        ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
        ({"pooling_mode": "cls"}, ("cls",)),
        ({"pooling_mode": ["mean", "cls"]}, ("cls", "mean")),
    ],
)
def test_pooling_is_what_the_folder_says(
    tmp_path: Path, folder: Path, pooling: dict[str, object], modes: tuple[str, ...]
) -> None:
    encoder = load(make_sentence_encoder(tmp_path, pooling, "Normalize"))
    assert encoder.dimension == 32 * len(modes)
    found = encoder.embed(["hot water"], normalize=False)[0]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        vectors = model(torch.tensor([[2, 9, 10, 3]])).last_hidden_state[0]
    expected = {
        "cls": vectors[0], "max": vectors.amax(0), "mean": vectors.mean(0),
        "mean_sqrt_len_tokens": vectors.sum(0) / 2, "lasttoken": vectors[-1],
    }  # fmt: skip
    by_hand = torch.cat([expected[mode] for mode in modes])
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=0)


def test_padding_changes_nothing():
    vectors, mask = torch.randn(2, 5, 3), torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]).bool()
    modes = ("cls", "max", "mean", "lasttoken")
    pooled = pool(vectors, mask, modes)
    for row, (start, end) in enumerate([(0, 2), (2, 5)]):
        bare = pool(vectors[row : row + 1, start:end], torch.ones(1, end - start).bool(), modes)
        torch.testing.assert_close(pooled[row], bare[0])


def test_settings_of_the_sentence_library(tmp_path: Path) -> None:
    folder = make_sentence_encoder(tmp_path, {"pooling_mode_mean_tokens": True})
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 8, "do_lower_case": True})
    )
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "hot ", "文": "天 "}, "default_prompt_name": None})
    )
    encoder = load(folder)
    assert encoder.max_tokens == 8
    assert set(encoder.prompts) == {"query", "文"}
    same, other = encoder.embed(["WATER"], prompt="query"), encoder.embed(["hot water"])
    torch.testing.assert_close(same, other)
    with pytest.raises(UsageError, match="no prompt 'passage'"):
        encoder.embed(["x"], prompt="passage")


# -- what is refused -------------------------------------------------------------------------------


def test_a_pickle_is_never_loaded(tmp_path: Path, folder: Path) -> None:
    marker = tmp_path / "was-run"
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copied / "model.safetensors").unlink()
    # A pickle that makes a file when it is read: protocol 0, os.system(...)
    program = f"cos\nsystem\n(S'touch {marker}'\ntR."
    (copied / "pytorch_model.bin").write_bytes(program.encode())
    with pytest.raises(CheckpointError, match="pickle"):
        load(copied)
    assert not marker.exists()


def test_remote_code_is_never_run(tmp_path: Path, folder: Path) -> None:
    marker = tmp_path / "was-run"
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copied / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w')\nclass Own: pass\n")
    change(copied / "config.json", auto_map={"AutoModel": "modeling_own.Own"})
    with pytest.raises(CheckpointError, match="never run"):
        load(copied)
    change(copied / "config.json", model_type="own")
    with pytest.raises(CheckpointError, match="'own' are not supported"):
        load(copied)
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w')\n")
    change(
        tmp_path / "other" / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["modeling_own.Own", None]},
        tokenizer_class="Own",
    )
    try:
        load(tmp_path / "other")
    except CheckpointError as error:
        assert "cannot be read as an encoder" in str(error)  # noqa: PT017 - either way is right
    assert not marker.exists()


@pytest.mark.parametrize("model_type", ["t5", "nomic_bert"])
def test_what_is_not_supported_says_so(tmp_path: Path, model_type: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(CheckpointError, match=f"'{model_type}' are not supported"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("modules.json", '[{"type": "x.Dense", "path": "2_Dense"}]', "step 'Dense'"),
        ("modules.json", '[{"type": "x.Pooling", "path": "../up"}]', "leads out"),
        ("modules.json", '{"a": 1}', "not a list of steps"),
        ("modules.json", "[1]", "not a list of steps"),
        ("modules.json", "[", "not valid JSON"),
        ("modules.json", '[{"type": "x.Pooling", "path": "1_Pooling"}]', "missing"),
        ("sentence_bert_config.json", '{"max_seq_length": "long"}', "settings .* are broken"),
        ("config_sentence_transformers.json", '{"default_prompt_name": "q"}', "are broken"),
        ("tokenizer.json", "{}", "cannot be read as an encoder"),
        ("model.safetensors", "", "not a safetensors file"),
    ],
)
def test_a_broken_folder_is_one_sentence(
    tmp_path: Path, folder: Path, name: str, content: str, words: str
) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copied / name).write_text(content)
    with pytest.raises(CheckpointError, match=words):
        load(copied)


@pytest.mark.parametrize(
    "pooling", [{"pooling_mode_weightedmean_tokens": True}, {}, {"pooling_mode": "median"},
                {"pooling_mode_mean_tokens": True, "include_prompt": False}]
)  # fmt: skip
def test_unknown_pooling_is_refused(tmp_path: Path, pooling: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="not supported"):
        load(make_sentence_encoder(tmp_path, pooling))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("absent", r"lack '.*query\.weight'"),
        ("nan", "NaN or infinity"),
        ("shape", "cannot be read"),
    ],
)
def test_weights_are_not_made_up(tmp_path: Path, folder: Path, damage: str, words: str) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = load_file(copied / "model.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    if damage == "absent":
        del weights[name]
    elif damage == "nan":
        weights[name][0, 0] = float("nan")
    else:
        weights[name] = torch.zeros(3, 3)
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=words):
        load(copied)


def test_a_lacking_pooler_does_not_matter(tmp_path: Path, folder: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = load_file(copied / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("pooler.")}
    assert len(kept) < len(weights)
    save_file(kept, copied / "model.safetensors", metadata={"format": "pt"})
    torch.testing.assert_close(load(copied).embed(TEXTS), load(folder).embed(TEXTS))


def test_it_does_not_write(encoder: Encoder) -> None:
    with pytest.raises(NotADecoderError, match=r"does not have 'generate'.*Call embed"):
        encoder.generate("x")
    assert not hasattr(encoder, "stream")
    assert "32 numbers a text, up to 64 tokens" in repr(encoder)


def test_without_the_extra_it_says_how_to_install_it(folder: Path) -> None:
    script = (
        "import sys; sys.modules['transformers'] = None\n"  # as if it were not installed
        "import autogpt\n"
        "try: autogpt.load(sys.argv[1])\n"
        "except autogpt.MissingExtraError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "A bert encoder needs the package 'transformers'" in told.stdout
    assert "pip install 'autogpt-transformer[transformers]'" in told.stdout


def test_bars_of_the_library_stay_as_they_were(folder: Path) -> None:
    shown = transformers.utils.logging.is_progress_bar_enabled()
    load(folder)
    assert transformers.utils.logging.is_progress_bar_enabled() is shown


@pytest.mark.skipif(
    store.find("all-minilm-l6-v2") is None, reason="autogpt models pull all-minilm-l6-v2"
)
def test_the_real_model_puts_like_meanings_together():
    pairs = [
        ("The boiler is broken.", "The heating does not work any more."),
        ("Shares fell on Wall Street today.", "The stock market lost two percent."),
        ("A kitten naps on the couch.", "A cat is sleeping on the sofa."),
    ]
    encoder = autogpt.load("all-minilm-l6-v2")
    left = encoder.embed([one for one, _ in pairs])
    right = encoder.embed([other for _, other in pairs])
    likeness = left @ right.T
    unrelated = likeness[~torch.eye(len(pairs), dtype=torch.bool)]
    assert likeness.diagonal().min() > unrelated.max() + 0.15
