"""The only training loop: batches in, a trained model out, on a budget of time or of steps.

::

    for each step:  micro-batches -> loss -> gradients -> clip -> optimizer -> log
    now and then:   validate, checkpoint; on Ctrl-C or SIGTERM: stop after the step

The learning rate follows the elapsed share of the budget (warmup, stable, decay: Hu et al. 2024,
"MiniCPM"), so a machine that slows down still finishes its decay. Not here: what may be set
(``settings``) and what to choose (``plan``, ``kernels``), what a loss is (``objective``), files
(``checkpoints``, ``record``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from autogpt.core.interrupts import stop_requests
from autogpt.data.batches import BatchSource, Learnable
from autogpt.models.trainable import Trainable
from autogpt.training.anomalies import StepError
from autogpt.training.checkpoints import RunState, restore_random_state
from autogpt.training.kernels import Kernels, Warmth, loss_of, warm_up
from autogpt.training.layout import Layout
from autogpt.training.memory import smaller_part
from autogpt.training.objective import Objective, next_token
from autogpt.training.optim import Optimizer
from autogpt.training.record import Entry
from autogpt.training.recovery import Rescue, recover
from autogpt.training.schedule import read_schedule
from autogpt.training.settings import TrainingConfig, learning_rate
from autogpt.training.validation import Measured, evaluate

__all__ = ["Hooks", "Measured", "Trainer", "evaluate"]

T = TypeVar("T")

_LOG_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """What the loop tells others while it runs.

    Attributes:
        entry: Called with each entry of the record and the share of the budget done.
        validate: Measures the model as it is.
        checkpoint: Makes the run durable, perhaps only after it has returned.
        checkpoint_due: Whether it is time to, where ``checkpoint_every`` does not say.
        enough: Whether to end before the budget does; asked after each look at the validation
            split.
        stepped: Called after each step with its number, from 0, and its rate, of the peak.
    """

    entry: Callable[[Entry, float], None]
    validate: Callable[[Any], Measured]
    checkpoint: Callable[[RunState, Mapping[str, Tensor]], None]
    checkpoint_due: Callable[[], bool] = lambda: False
    enough: Callable[[], bool] = lambda: False
    stepped: Callable[[int, float], None] = lambda *_: None


class Trainer:
    """One model in training.

    Args:
        model: Trained in place, as far as its weights require gradients; turned to the dtype to
            compute in until :meth:`finish`.
        batches: Micro-batches, by their number.
        config: With its batch sizes decided.
        kernels: How to compute.
        objective: What is learned.
        rescue: Where to turn when a step goes wrong; without it, the run ends then.
        layout: How the model lies in the processes that train it.
    """

    def __init__(
        self,
        model: Trainable,
        batches: BatchSource,
        config: TrainingConfig,
        kernels: Kernels,
        *,
        objective: Objective = next_token,
        rescue: Rescue | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.model, self.kernels, self.config, self.rescue = model, kernels, config, rescue
        self.layout = layout or Layout()
        self.at = RunState()
        self.warmth: Warmth | None = None
        self._rates = read_schedule(Path(config.schedule)) if config.schedule else None
        self._batches = batches
        self._parts = (config.batch_size or batches.batch_size) // batches.batch_size
        self.layout.share(self._parts)  # or tell that they cannot be dealt out
        self.layout.place(model.train(), kernels.torch_dtype)
        self.optimizer = Optimizer(model, config, self.layout)
        self._objective = objective
        self.loss = loss_of(model, kernels, objective)

    def compute_with(self, kernels: Kernels) -> None:
        """Compute in another way from now on, in the same dtype."""
        self.kernels = kernels
        self.loss = loss_of(self.model, kernels, self._objective)

    @property
    def learning(self) -> int:
        """How many weights learn."""
        return sum(w.numel() for w in self.model.parameters() if w.requires_grad)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step of the optimizer learns from."""
        return self._parts * self.tokens_per_part

    @property
    def tokens_per_part(self) -> int:
        """Tokens of a micro-batch."""
        return self._batches.batch_size * self._batches.context_length

    def restore(self, at: RunState, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: If it belongs to another model.
        """
        self.optimizer.restore(tensors, steps=at.steps)
        if at.random:
            restore_random_state(at.random)
        self.at = at

    def warm_up(self) -> Warmth:
        """Compile, touch the memory, and learn how long a micro-batch takes."""
        world = self.layout.world
        warmth = self._tried(self._warm_up)
        self.warmth = warmth = replace(warmth, part_s=world.agreed(warmth.part_s))
        return warmth

    def _warm_up(self) -> Warmth:
        world = self.layout.world
        batch = self._batches[0].to(world.device)
        return warm_up(self.model, batch, self.loss, self.kernels, alone=world.size == 1)

    def run(self, hooks: Hooks, *, budget_s: float | None, validations: int = 0) -> bool:
        """Train until the budget is spent.

        Args:
            hooks: Told what happens.
            budget_s: Seconds the loop may take, over all resumes; None: ``max_steps`` decides.
            validations: Looks at the validation split on the way, at most.

        Returns:
            Whether it is done: the budget was spent, or it was enough; otherwise the user asked to
            stop, and a checkpoint is written.

        Raises:
            RunError: If the loss is no number or leaps, again and again (see ``recovery``).
            ResourceError: If memory does not suffice for one row at a time.
        """
        share = self._share(budget_s)
        pace = _Pace(self.config, self.at, validations=validations, share=share)
        with stop_requests() as stopped:
            while not self._done(pace.step_s, budget_s):
                begin = time.perf_counter()
                rate = self._rate(self._share(budget_s))
                try:
                    loss, norm = self.step(rate)
                except StepError as anomaly:
                    recover(self, anomaly)
                    self._spend(begin)
                    continue
                pace.step_s = self._spend(begin, steps=1)
                hooks.stepped(self.at.steps - 1, rate)
                share, done = self._share(budget_s), self._done(pace.step_s, budget_s)
                if pace.log_due(self.at) or done or stopped():
                    hooks.entry(self._entry(loss, norm, share, pace.tokens_per_s(self.at)), share)
                if self.layout.world.agreed(stopped()):
                    hooks.checkpoint(self.at, self.optimizer.state())
                    return False
                begin = time.perf_counter()
                if pace.validation_due(share) and not done:
                    hooks.entry(self.validated(hooks.validate(self.model)), share)
                    self._spend(begin)
                    if self.layout.world.agreed(hooks.enough()):
                        return True
                begin = time.perf_counter()
                if self.layout.world.agreed(pace.checkpoint_due(self.at, hooks)) and not done:
                    hooks.checkpoint(self.at, self.optimizer.state())
                    self._spend(begin)
        return True

    def finish(self) -> Trainable:
        """Return the whole model with its fp32 weights, in evaluation mode."""
        self.model = self.layout.unspread(self.model)
        self.optimizer.give_masters(self.model)
        return self.model.eval()

    def step(self, rate: float) -> tuple[float, float]:
        """Do one step at ``rate`` times the peak rates; return its loss and gradient norm.

        Raises:
            StepError: If the step would do harm; the model is as it was before.
            ResourceError: If memory does not suffice for one row at a time.
        """
        loss, parts = self.layout.world.summed_each(*self._tried(self._gather))
        loss = loss * (self._parts / parts) if parts else math.nan
        watch = self.at.watch
        try:
            watch.check_loss(loss)
            norm = self.optimizer.step(scale=rate * watch.rate_scale, parts=parts)
            watch.check_norm(norm, loss=loss)
        finally:
            self.optimizer.forget()
        self.at = replace(self.at, watch=watch.after_good(loss))
        return loss, norm

    def parts(self) -> Iterator[tuple[int, Learnable]]:
        """Yield this process's micro-batches of the next step by their number."""
        device = self.layout.world.device
        for part in self._numbers():
            yield part, self._batches[part].to(device)

    def _numbers(self) -> range:
        """Return the numbers of this process's micro-batches of the next step."""
        first, share = self.at.tokens // self.tokens_per_part, self.layout.share(self._parts)
        return range(first + share.start, first + share.stop)

    def _gather(self) -> tuple[float, float]:
        """Gather this process's gradients of a step, each micro-batch by its weight.

        Returns:
            Its share of the loss, and the sum of the weights; a micro-batch in which everything
            is learned has the weight 1.
        """
        losses, weights = [], []
        for part in self._numbers():
            batch = self._batches[part]
            weight = batch.weight / self.tokens_per_part
            if weight == 0:  # there is nothing to take a mean over
                continue
            loss = self.loss(batch.to(self.layout.world.device))
            (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
            self.optimizer.gather()
            losses.append(loss.detach())
            weights.append(weight)
        shares = zip(losses, weights, strict=True)
        return sum(float(loss) * weight / self._parts for loss, weight in shares), sum(weights)

    def _tried(self, work: Callable[[], T]) -> T:
        """Return what ``work`` gives; where memory runs out in any process, all take less of it."""
        while True:
            found = self.layout.attempt(work)
            if not self.layout.world.agreed(found is None) and found is not None:
                return found
            self._take_less_memory()

    def _take_less_memory(self) -> None:
        """Halve the micro-batches; a step has as many rows as before."""
        rows = self._batches.batch_size
        size = smaller_part(rows, batch_size=rows * self._parts)
        self._parts = self._parts * rows // size
        self._batches = replace(self._batches, batch_size=size)
        self.config = replace(self.config, micro_batch_size=size)
        self.optimizer.forget()
        self.model.zero_grad(set_to_none=True)
        if self.rescue is not None:
            self.rescue.smaller(size)

    def _spend(self, begin: float, *, steps: int = 0) -> float:
        """Add what was done since ``begin`` to where the run is, and return its seconds."""
        seconds, now = self.layout.world.agreed(time.perf_counter() - begin), self.at
        self.at = replace(
            now,
            steps=now.steps + steps,
            tokens=now.tokens + steps * self.tokens_per_step,
            train_s=now.train_s + seconds,
        )
        return seconds

    def _rate(self, share: float) -> float:
        """Return the rate of the next step, of its peak."""
        if self._rates is not None:
            return self._rates[min(self.at.steps, len(self._rates) - 1)]
        return learning_rate(share, self.config)

    def _share(self, budget_s: float | None) -> float:
        if self.config.max_steps is not None:
            return min(1.0, self.at.steps / self.config.max_steps)
        share = self.at.train_s / budget_s if budget_s else 1.0
        if self.config.enough_steps is not None:
            share = max(share, self.at.steps / self.config.enough_steps)
        return min(1.0, share)

    def _done(self, step_s: float, budget_s: float | None) -> bool:
        """Whether another step would go over the budget by more than this one falls short."""
        if self.config.max_steps is not None:
            return self.at.steps >= self.config.max_steps
        if self.config.enough_steps is not None and self.at.steps >= self.config.enough_steps:
            return True
        return self.at.train_s + step_s / 2 >= (budget_s or 0.0)

    def _entry(self, loss: float, norm: float, share: float, tokens_per_s: float) -> Entry:
        peak = self.config.muon_lr if self.config.matrices == "muon" else self.config.lr
        peak *= self.at.watch.rate_scale
        return Entry(
            kind="train",
            step=self.at.steps,
            tokens=self.at.tokens,
            elapsed_s=self.at.elapsed_s,
            loss=loss,
            learning_rate=peak * self._rate(share),
            gradient_norm=norm,
            tokens_per_s=tokens_per_s,
        )

    def validated(self, measured: Measured) -> Entry:
        """Return the entry of the record for a look at the validation split, taken now."""
        return Entry(
            kind="validation",
            step=self.at.steps,
            tokens=self.at.tokens,
            elapsed_s=self.at.elapsed_s,
            loss=measured.loss,
            bits_per_byte=measured.bits_per_byte,
        )


class _Pace:
    """When it is time again to log, to validate, to checkpoint."""

    def __init__(
        self, config: TrainingConfig, at: RunState, *, validations: int, share: float
    ) -> None:
        self.step_s = 0.0
        places = (number / (validations + 1) for number in range(1, validations + 1))
        self._validate_at = [place for place in places if place > share]
        self._every = config.checkpoint_every
        self._tokens, self._busy_s = at.tokens, 0.0

    def log_due(self, at: RunState) -> bool:
        """Whether a second has passed; true for the first step, so that the user sees life."""
        self._busy_s += self.step_s
        return at.steps == 1 or self._busy_s >= _LOG_EVERY_S

    def tokens_per_s(self, at: RunState) -> float:
        """Return the speed since the last call."""
        speed = (at.tokens - self._tokens) / max(self._busy_s, 1e-9)
        self._tokens, self._busy_s = at.tokens, 0.0
        return speed

    def validation_due(self, share: float) -> bool:
        """Whether a place to validate was passed."""
        due = bool(self._validate_at) and share >= self._validate_at[0]
        while self._validate_at and share >= self._validate_at[0]:
            self._validate_at.pop(0)
        return due

    def checkpoint_due(self, at: RunState, hooks: Hooks) -> bool:
        """Whether half of what may be lost was done since the last one."""
        if self._every is None:
            return hooks.checkpoint_due()
        return at.steps % self._every in (0, self._every // 2)
