from __future__ import annotations

import numpy as np

from autogpt.data.batches import Batches, windows
from autogpt.data.shards import TokenShard


def _shard(count: int, *, starts: tuple[int, ...] = (0,)) -> TokenShard:
    return TokenShard(
        tokens=np.arange(count, dtype=np.uint32),
        starts=np.array(starts, dtype=np.uint64),
        total_bytes=count,
        vocab_size=count,
    )


def test_an_epoch_sees_every_window_once():
    batches = Batches(shard=_shard(41), batch_size=2, context_length=8, seed=3)
    assert batches.windows_per_epoch == 5
    rows = [row for index in range(3) for row in batches[index].inputs][:5]
    assert sorted(int(token) for row in rows for token in row) == list(range(40))


def test_targets_follow_inputs_and_batches_depend_on_seed_and_step_only():
    batches = Batches(shard=_shard(41), batch_size=2, context_length=8, seed=3)
    again = Batches(shard=_shard(41), batch_size=2, context_length=8, seed=3)
    assert (batches[7].targets == batches[7].inputs + 1).all()
    assert (batches[7].inputs == again[7].inputs).all()


def test_documents_are_numbered():
    batch = Batches(shard=_shard(17, starts=(0, 5)), batch_size=1, context_length=16, seed=0)[0]
    assert batch.document_ids is not None
    assert batch.document_ids[0].tolist() == [1] * 5 + [2] * 11


def test_windows_score_every_target_exactly_once():
    for count in (5, 9, 17, 30, 33):
        scored: list[int] = []
        for batch in windows(_shard(count), batch_size=2, context_length=8):
            scored += [int(t) for t in batch.targets.flatten() if t != -100]
        assert sorted(scored) == list(range(1, count))


def test_what_is_not_scored_is_still_read():
    for batch_size in (1, 2, 3):  # the last window overlaps, alone in its batch or not
        for batch in windows(_shard(30), batch_size=batch_size, context_length=8):
            scored = batch.targets != -100
            assert (batch.inputs >= 0).all()
            assert (batch.targets[scored] == batch.inputs[scored] + 1).all()
