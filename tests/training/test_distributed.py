"""Several processes train as one does, and go on in other numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.data.batches import Batches
from autogpt.data.shards import TokenShard
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.training import checkpoints
from autogpt.training.distributed import World, joined
from autogpt.training.kernels import Kernels
from autogpt.training.layout import ParallelConfig, lay_out, owners, rows_at_once
from autogpt.training.optim import orthogonalize
from autogpt.training.record import Entry
from autogpt.training.saving import Saver, SharedSaver
from autogpt.training.settings import TrainingConfig
from autogpt.training.trainer import Hooks, Measured, Trainer, evaluate
from tests.training.together import ask, together

Array = npt.NDArray[np.float32]
STEPS, SAVED, ROWS = 50, 40, 12
CONFIG = GPTConfig(
    vocab_size=67,
    hidden_size=32,
    intermediate_size=80,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=16,
)
KERNELS = Kernels(dtype="float32", attention="explicit", compiled=False, threads=1)


def shard() -> TokenShard:
    rng = np.random.default_rng(0)
    chain = rng.integers(67, size=(67, 2))  # each token has two that may follow
    ids = [0]
    for choice in rng.integers(2, size=3000):
        ids.append(int(chain[ids[-1], choice]))
    return TokenShard(
        tokens=np.array(ids, dtype=np.uint16),
        starts=np.array([0, 900, 2100], dtype=np.uint64),
        total_bytes=9000,
        vocab_size=67,
    )


@dataclass(frozen=True)
class Outcome:
    losses: list[float]
    norms: list[float]
    val_loss: float
    weights: dict[str, Array]


def train(
    world: World, strategy: str, run: Path, *, resume: Path | None = None, rows: int = 2
) -> Outcome:
    """Train ``STEPS`` steps with a checkpoint on the way, from the start or from a checkpoint."""
    torch.manual_seed(0)
    config = TrainingConfig(batch_size=ROWS, max_steps=STEPS, checkpoint_every=SAVED, decay=0.2)
    batches = Batches(shard=shard(), batch_size=rows, context_length=16, seed=0)
    parallel = ParallelConfig(strategy=strategy)  # type: ignore[arg-type]
    layout = lay_out(parallel, world, parameters=1)
    trainer = Trainer(GPT(CONFIG), batches, config, KERNELS, layout=layout)
    if resume is not None:
        trainer.restore(*layout.load(resume, trainer.optimizer.state()))
    entries: list[Entry] = []

    def checkpoint(at: checkpoints.RunState, tensors: Mapping[str, Tensor]) -> None:
        layout.save(run, at, tensors)

    def look(model: GPT) -> Measured:
        return evaluate(model, shard(), context_length=16, layout=layout)

    losses, norms, step = [], [], trainer.step

    def watched(rate: float) -> tuple[float, float]:
        loss, norm = step(rate)
        losses.append(loss)
        norms.append(norm)
        return loss, norm

    trainer.step = watched  # type: ignore[method-assign]
    hooks = Hooks(entry=lambda e, _: entries.append(e), validate=look, checkpoint=checkpoint)
    trainer.run(hooks, budget_s=None, validations=3)
    model = trainer.finish()
    weights = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    return Outcome(losses, norms, look(model).loss, weights)


ALONE = World()
CHANGES = (("replicate", "replicate"), ("replicate", "shard"), ("shard", "shard"), ("one", "shard"))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def one(room: Path) -> Outcome:
    return train(ALONE, "auto", room / "one")


def run_all(world: World, room: Path) -> dict[str, Outcome]:
    """Train whole with both layouts."""
    return {name: train(world, name, room / name) for name in ("replicate", "shard")}


def go_on(world: World, room: Path) -> dict[tuple[str, str], Outcome]:
    """Go on from what others have saved."""
    return {
        (before, name): train(world, name, room / "x", resume=saved(room, before))
        for before, name in CHANGES
    }


def saved(room: Path, before: str) -> Path:
    return room / before / "checkpoints" / f"step-{SAVED:08d}"


@pytest.fixture(scope="module")
def two(room: Path) -> list[dict[str, Outcome]]:
    return together(run_all, 2, room, room)


@pytest.fixture(scope="module")
def three(room: Path, one: Outcome, two: object) -> dict[tuple[str, str], Outcome]:
    del one, two  # they have written the checkpoints
    found: dict[tuple[str, str], Outcome] = together(go_on, 3, room, room)[0]
    return found


def close(found: Outcome, wanted: Outcome, *, steps: int = STEPS) -> None:
    assert len(found.losses) == steps
    np.testing.assert_allclose(found.losses, wanted.losses[-steps:], atol=1e-4, rtol=0)
    np.testing.assert_allclose(found.norms, wanted.norms[-steps:], rtol=1e-3)
    assert found.val_loss == pytest.approx(wanted.val_loss, abs=1e-4)
    for name, weight in wanted.weights.items():
        np.testing.assert_allclose(found.weights[name], weight, atol=2e-3)


def test_the_reference_learns(one: Outcome):
    assert one.losses[0] == pytest.approx(math.log(67), abs=0.1)
    assert one.losses[-1] < 2.5


@pytest.mark.parametrize("strategy", ["replicate", "shard"])
def test_two_processes_give_the_losses_of_one(
    one: Outcome, two: list[dict[str, Outcome]], strategy: str
):
    first, second = (of_rank[strategy] for of_rank in two)
    close(first, one)
    assert first.losses == second.losses
    assert first.val_loss == second.val_loss
    for name, weight in first.weights.items():
        assert np.array_equal(weight, second.weights[name])


@pytest.mark.parametrize("strategy", ["replicate", "shard"])
def test_one_process_goes_on_where_two_were(one: Outcome, two: object, room: Path, strategy: str):
    del two
    close(train(ALONE, "auto", room / "y", resume=saved(room, strategy)), one, steps=STEPS - SAVED)


@pytest.mark.parametrize(("before", "strategy"), CHANGES)
def test_three_processes_go_on_where_others_were(
    one: Outcome, three: dict[tuple[str, str], Outcome], before: str, strategy: str
):
    close(three[before, strategy], one, steps=STEPS - SAVED)


def test_a_sharded_checkpoint_is_safetensors_and_json_and_complete(two: object, room: Path):
    del two
    folder = saved(room, "shard")
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "manifest.json",
        "shard-00001-model-00001-of-00001.safetensors",
        "shard-00002-model-00001-of-00001.safetensors",
        "state.json",
    ]
    sizes = [path.stat().st_size for path in sorted(folder.glob("*.safetensors"))]
    assert max(sizes) < 1.1 * min(sizes)
    at, tensors = checkpoints.load(folder)
    assert at.steps == SAVED
    velocity = tensors["muon.0.layers.1.network.gate.weight"]
    assert velocity.shape == (80, 32)
    assert velocity.abs().min() > 0  # no row was left out
    plain = checkpoints.load(saved(room, "replicate"))[1]
    assert tensors.keys() == plain.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=1e-2, atol=1e-4)


def test_a_damaged_shard_is_passed_over(two: object, room: Path, tmp_path: Path):
    del two
    folder = tmp_path / "checkpoints" / saved(room, "shard").name
    folder.mkdir(parents=True)
    for path in saved(room, "shard").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert checkpoints.latest(tmp_path) == folder
    damaged = folder / "shard-00002-model-00001-of-00001.safetensors"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="No checkpoint"):
        checkpoints.latest(tmp_path)


@pytest.mark.parametrize("header", ['{"a": 1}', "no JSON", '{"master.a": {"saved_offsets": "x"}}'])
def test_a_shard_with_a_wrong_header_is_one_sentence(tmp_path: Path, header: str):
    checkpoints.save(tmp_path, checkpoints.RunState(steps=1), {"master.a": torch.ones(2, 2)})
    folder = tmp_path / "checkpoints" / "step-00000001"
    state = folder / "state.safetensors"
    content = state.read_bytes()
    old = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    old["__metadata__"]["DCP_SHARDING_INFO"] = header
    new = json.dumps(old).encode()
    (folder / "shard-1.safetensors").write_bytes(
        len(new).to_bytes(8, "little") + new + content[-16:]
    )
    state.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load(folder)


def test_what_processes_say_to_each_other(tmp_path: Path):
    said = together(ask, 2, tmp_path)
    assert said[0] == {
        "agreed": 10.0,
        "summed": 2.0,
        "gathered": ["0 你好", "1 你好"],
        "shared": "of 0",
        "device": "cpu",
        "leads": True,
        "turns": [0],
    }
    assert said[1] == {**said[0], "leads": False, "turns": [1]}


def test_a_world_without_a_place_to_meet_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="MASTER_ADDR"), joined():
        pass


def test_a_world_of_one_says_what_it_is_told():
    assert (ALONE.agreed(3.5), ALONE.summed(2), ALONE.gathered("你"), ALONE.leads) == (
        3.5, 2, ["你"], True,
    )  # fmt: skip
    with ALONE.leader_first():
        assert ALONE.shared("x") == "x"


def test_matrices_are_dealt_out_once_and_evenly():
    stacks = ((24, 64, 64), (12, 64, 32), (24, 160, 64), (12, 64, 160))
    for processes in (1, 2, 5, 16, 100):
        dealt = owners(stacks, processes)
        for number, (count, _, _) in enumerate(stacks):
            assert sorted(n for places in dealt for n in places[number]) == list(range(count))
        work = [
            sum(len(at) * r * c * min(r, c) for at, (_, r, c) in zip(places, stacks, strict=True))
            for places in dealt
        ]
        heaviest = 160 * 64 * 64
        assert max(work) - min(work) <= heaviest


def spread(world: World, strategy: str, stacks: list[Array]) -> list[Array]:
    """Orthogonalize stacks of matrices, whole or by rows, and return the whole results."""
    layout = lay_out(ParallelConfig(strategy=strategy), world, parameters=1)  # type: ignore[arg-type]
    shapes = tuple(tuple(stack.shape) for stack in stacks)
    parts = [torch.from_numpy(stack) for stack in stacks]
    if layout.in_shards:
        size = [-(-shape[1] // world.size) for shape in shapes]
        cuts = [slice(world.rank * rows, (world.rank + 1) * rows) for rows in size]
        parts = [part[:, cut].clone() for part, cut in zip(parts, cuts, strict=True)]
    done = list(layout.orthogonalized(iter(parts), shapes, orthogonalize))  # type: ignore[arg-type]
    if not layout.in_shards:
        return [stack.numpy() for stack in done]
    return [
        np.stack([layout.whole(part[n], torch.Size(shape[1:])).numpy() for n in range(shape[0])])
        for part, shape in zip(done, shapes, strict=True)
    ]


@pytest.mark.parametrize("strategy", ["replicate", "shard"])
def test_muon_is_the_same_however_matrices_are_spread(tmp_path: Path, strategy: str):
    torch.manual_seed(0)
    # 1 matrix for 3 processes, 2 rows for 3, 7 for 3; large enough to be worth sharing
    stacks = [torch.randn(1, 256, 512), torch.randn(5, 2, 24), torch.randn(4, 7, 5)]
    wanted = [orthogonalize(stack) for stack in stacks]
    given = [stack.numpy() for stack in stacks]
    for found in together(spread, 3, tmp_path, strategy, given):
        for tensor, result in zip(found, wanted, strict=True):
            np.testing.assert_allclose(tensor, result, rtol=1e-4, atol=1e-5)


def goes_back(world: World, room: Path) -> bool:
    """Save, learn, go back, and tell whether the weights are those that were saved."""
    same = []
    for strategy in ("replicate", "shard"):
        torch.manual_seed(0)
        layout = lay_out(ParallelConfig(strategy=strategy), world, parameters=1)  # type: ignore[arg-type]
        batches = Batches(shard=shard(), batch_size=2, context_length=16, seed=0)
        config = TrainingConfig(batch_size=4, max_steps=9)
        trainer = Trainer(GPT(CONFIG), batches, config, KERNELS, layout=layout)
        run = room / strategy
        with SharedSaver(Saver(run), layout, run) as saver:
            saver.tensors = trainer.optimizer.state()
            before = {name: layout.local(t).clone() for name, t in saver.tensors.items()}
            saver.save(trainer.at, saver.tensors)
            trainer.step(1.0)
            learned = {name: layout.local(t).clone() for name, t in saver.tensors.items()}
            trainer.restore(*saver.last())
        after = {name: layout.local(t) for name, t in trainer.optimizer.state().items()}
        same.append(all(torch.equal(after[name], tensor) for name, tensor in before.items()))
        same.append(any(not torch.equal(after[name], t) for name, t in learned.items()))
        same.append(trainer.at.steps == 0 and bool(trainer.at.random))
    return all(same)


def test_all_processes_go_back_to_a_checkpoint_together(tmp_path: Path):
    assert together(goes_back, 2, tmp_path, tmp_path) == [True, True]


def uneven(world: World) -> str:
    """Try a sharded model whose micro-batches cannot be dealt out evenly."""
    try:
        train(world, "shard", Path(), rows=12)
    except ConfigError as error:
        return str(error)
    return ""


def test_a_sharded_model_needs_even_parts(tmp_path: Path):
    for said in together(uneven, 2, tmp_path):
        assert "evenly" in said
        assert "parallel.strategy=replicate" in said


def test_rows_are_shared_evenly_and_the_step_stays():
    assert rows_at_once(12, 8, processes=1) == 6
    assert rows_at_once(8, 8, processes=1) == 8
    assert rows_at_once(12, 8, processes=2) == 6
    assert rows_at_once(12, 8, processes=3) == 4
    assert rows_at_once(8, 8, processes=3) == 1  # 3, 3 and 2 rows
    assert rows_at_once(96, 8, processes=4) == 8
    with pytest.raises(ConfigError, match="too few rows"):
        rows_at_once(2, 2, processes=3)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ConfigError, match="strategy"):
        ParallelConfig(strategy="tensor")  # type: ignore[arg-type]


def test_shards_hold_their_place_as_json(two: object, room: Path):
    del two
    path = saved(room, "shard") / "shard-00002-model-00001-of-00001.safetensors"
    with safe_open(str(path), framework="pt") as file:
        offsets = json.loads(file.metadata()["DCP_SHARDING_INFO"])
    assert offsets["master.embedding.weight"]["saved_offsets"] == [34, 0]
