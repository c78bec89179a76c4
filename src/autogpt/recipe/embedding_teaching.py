"""A classifier on a sentence encoder that stays as it is: read the texts once, learn a head.

::

    autogpt finetune all-minilm-l6-v2 tickets.csv --task classify --out runs/tickets

The run folder, the checks of the examples, the calibration and the report are those of every
fine-tuning (``finetune``). There is no loop over texts: each of them is read once, as many as the
budget allows (``embedding_plan``), and the head is then fitted from strict to free
(``regression_path``) until examples that were held out say that it is enough.

A run that was stopped is begun anew by ``--resume``, with the same settings: there is little to
keep, and it comes to the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.config import to_mapping
from autogpt.core.examples import Labeled
from autogpt.core.files import read_json, write_json
from autogpt.core.progress import Progress
from autogpt.core.units import format_count
from autogpt.evaluation.energy import EnergyMeter
from autogpt.interop.transformers import Encoder, open_sentence_encoder
from autogpt.models.card_facts import ArchitectureFacts
from autogpt.models.embedding_head import EmbeddingHead, save_embedding_head
from autogpt.models.heads import HeadConfig
from autogpt.recipe import folder, planning
from autogpt.recipe.account import Account
from autogpt.recipe.best import looks_since_best
from autogpt.recipe.class_head import calibrated, head_of, labeled, share_right, targets_of
from autogpt.recipe.embedding_plan import FINISHING, ReadingPlan, plan_reading
from autogpt.recipe.finetune_report import FinetuneResult, Told, write_reports
from autogpt.recipe.gathering import SHOWN, Gathered
from autogpt.recipe.ngram_teaching import LearnedNgrams, learn_ngrams
from autogpt.recipe.regression_path import (
    EXPECTED_STEPS,
    Fitted,
    class_loss,
    regression_path,
)
from autogpt.recipe.result import peak_rss_bytes
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.recipe.stopwatch import Stopwatch
from autogpt.training import tracking
from autogpt.training.record import Entry, Record

__all__ = ["EmbeddingRun"]

_TEXTS_AT_ONCE = 256  # read between two looks at the clock


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """Examples that were read.

    Attributes:
        examples: In the order of the vectors.
        vectors: Of length 1.
        tokens: How many were read.
    """

    examples: Sequence[Labeled]
    vectors: Float[Tensor, "N D"]
    tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Learned:
    """What came of the path.

    Attributes:
        best: The head with the lowest loss on the validation examples.
        loss: That loss.
        last_loss: That of the last head.
        steps: Of the whole path.
        scores: Of the validation examples, by the best head.
    """

    best: Fitted
    loss: float
    last_loss: float
    steps: int
    scores: Float[Tensor, "N C"]


class EmbeddingRun:
    """One run on its way.

    Args:
        recipe: Everything that was asked for.
        out: The run folder, claimed.
        shown: Shows what happens.
        begun: When the budget began to run, by ``time.perf_counter``; None: now.
    """

    def __init__(
        self, recipe: FinetuneRecipe, out: Path, shown: Progress, *, begun: float | None
    ) -> None:
        self._recipe, self._out, self._shown = recipe, out, shown
        self._watch = Stopwatch(begun)
        self._meter = EnergyMeter(country=recipe.training.country)

    def run(self, gathered: Gathered, track: Sequence[str], *, resume: bool) -> FinetuneResult:
        """Go through it.

        Raises:
            AutoGPTError: In one sentence, whatever the user can mend.
        """
        train, held_out = labeled(gathered.train), labeled(gathered.validation)
        head = head_of(train, held_out)
        gathered.tell(train[:SHOWN], None, self._shown)
        self._watch.lap("read examples")
        encoder, named = open_sentence_encoder(_lasting(self._recipe.finetune.base))
        self._watch.lap("load")
        folder.save_recipe(self._out, self._recipe)
        write_json(self._out / folder.EXAMPLES, gathered.to_dict())
        plan = self._planned(encoder, head, train, held_out)
        settings, say = to_mapping(self._recipe), self._shown.say
        again = 0 if resume else None  # nothing of what was recorded is kept
        with (
            Record.open(self._out, resume_step=again, resume_bytes=again) as log,
            tracking.Trackers(track, run=self._out, settings=settings, say=say) as tools,
        ):
            account = Account(log, tools, self._meter, self._shown)
            account.entry(self._look(0, 0, _unsure(head)), 0.0, train_s=0.0)
            try:
                looks = self._read(encoder, plan.held_out, None)
                known = self._read(encoder, plan.train, plan.read_until)
                self._watch.lap("read texts")
                ngrams = self._ngrams(head, known, looks)
                learned = self._learn(head, known, looks, account, plan.learn_until)
                self._watch.lap("learn")
            except KeyboardInterrupt:
                say("stopped; the same command with --resume begins again")
                raise
        made = EmbeddingHead(
            labels=head, encoder=named, weight=learned.best.weight, bias=learned.best.bias
        )
        return self._finish(made, encoder, gathered, (known, looks), learned, ngrams)

    def _planned(
        self, encoder: Encoder, head: HeadConfig, train: Sequence[Labeled], held: Sequence[Labeled]
    ) -> ReadingPlan:
        """Decide what is read; say and keep what is expected."""
        plan = plan_reading(
            self._recipe,
            encoder,
            train=train,
            held_out=held,
            labels=len(head.labels),
            begin=self._watch.begin,
        )
        write_json(self._out / folder.FORECAST, plan.forecast.to_dict())
        count, chosen = len(train) + len(held), len(plan.train) + len(plan.held_out)
        if chosen < count:
            self._shown.say(
                f"the budget allows to read {chosen:,} of {count:,} examples; each label keeps its "
                "share"
            )
        self._shown.say(
            f"{self._recipe.finetune.base} reads and stays as it is; a head of "
            f"{format_count((encoder.dimension + 1) * len(head.labels))} weights learns"
        )
        self._shown.say(str(plan.forecast))
        self._watch.lap("plan")
        return plan

    # -- reading and learning ----------------------------------------------------------------------

    def _read(self, encoder: Encoder, examples: Sequence[Labeled], until: float | None) -> _Read:
        """Read texts, and stop where the time is up."""
        vectors: list[Tensor] = []
        tokens, begin = 0, time.perf_counter()
        for first in range(0, len(examples), _TEXTS_AT_ONCE):
            some = examples[first : first + _TEXTS_AT_ONCE]
            found = encoder.read([one.text for one in some])
            vectors.append(found.vectors.clone())
            tokens += sum(found.tokens)
            share = min(1.0, (first + len(some)) / len(examples))
            passed = time.perf_counter() - begin
            self._shown.update(
                share,
                f"{first + len(some)} of {len(examples)} texts",
                left_s=passed / share - passed,
            )
            self._meter.sample()
            if until is not None and time.perf_counter() > until:
                break
        rows = torch.cat(vectors)
        if len(rows) < len(examples):
            self._shown.say(f"time is up after {len(rows):,} of {len(examples):,} texts")
        return _Read(examples=examples[: len(rows)], vectors=rows, tokens=tokens)

    def _ngrams(self, head: HeadConfig, known: _Read, looks: _Read) -> LearnedNgrams | None:
        """Return what n-grams say, unless they are not wanted."""
        if not self._recipe.finetune.ngrams:
            return None
        budget_s = planning.seconds_to_spend(self._recipe.training)
        return learn_ngrams(
            known.examples, looks.examples, head, budget_s=budget_s, seed=self._recipe.seed
        )

    def _learn(
        self, head: HeadConfig, known: _Read, looks: _Read, account: Account, until: float | None
    ) -> _Learned:
        """Fit heads until the validation loss has not fallen for a while; keep the best."""
        targets, wanted = (_targets(side.examples, head) for side in (known, looks))
        entries: list[Entry] = []
        best: tuple[float, Fitted] | None = None
        begin = time.perf_counter()
        patience, most = self._recipe.finetune.patience, self._recipe.training.max_steps
        for fitted in regression_path(
            known.vectors,
            targets,
            labels=len(head.labels),
            most_steps=most,
            enough=lambda: until is not None and time.perf_counter() > until,
        ):
            loss = float(class_loss(fitted.scores(looks.vectors), wanted))
            tokens, passed = fitted.steps * known.tokens, time.perf_counter() - begin
            entry = self._look(fitted.steps, tokens, loss)
            seen = replace(entry, kind="train", loss=fitted.loss)
            share = min(1.0, fitted.steps / (most or EXPECTED_STEPS))
            account.entry(seen, share, train_s=passed)
            account.entry(entry, share, train_s=passed)
            entries.append(entry)
            if best is None or loss < best[0]:
                best = loss, fitted
            if patience and looks_since_best(entries) >= patience:
                self._shown.say(f"the validation loss did not fall {patience} times: enough")
                break
        assert best is not None  # the path has one penalty at least
        return _Learned(
            best=best[1],
            loss=best[0],
            last_loss=entries[-1].loss or 0.0,
            steps=entries[-1].step,
            scores=best[1].scores(looks.vectors),
        )

    # -- after it ----------------------------------------------------------------------------------

    def _finish(
        self,
        made: EmbeddingHead,
        encoder: Encoder,
        gathered: Gathered,
        sides: tuple[_Read, _Read],
        learned: _Learned,
        ngrams: LearnedNgrams | None,
    ) -> FinetuneResult:
        """Calibrate, save, report."""
        mark = time.perf_counter()
        known, looks = sides
        several = made.labels.multi_label
        scores = learned.scores.double().numpy()
        wanted = targets_of(looks.examples, made.labels)
        kept, figures = None, dict[str, float]()
        if ngrams is not None:
            scores, kept, figures = ngrams.beside(scores, wanted, multi_label=several)
        seed = self._recipe.seed
        settings, honest = calibrated(scores, wanted, multi_label=several, seed=seed)
        figures |= {"accuracy": share_right(scores, wanted), **honest}
        save_embedding_head(made, self._out / folder.MODEL, settings=settings, ngrams=kept)
        phases = self._watch.phases
        train_s = phases["read texts"] + phases["learn"]
        learning = made.weight.numel() + made.bias.numel()
        result = FinetuneResult(
            run=str(self._out),
            model=str(self._out / folder.MODEL),
            adapter=None,
            parameters=encoder.parameters + learning,
            learning=learning,
            steps=learned.steps,
            best_step=learned.best.steps,
            tokens=known.tokens,
            epochs=learned.steps,
            wall_s=self._watch.passed,
            train_s=train_s,
            compile_s=0.0,
            tokens_per_s=(known.tokens + looks.tokens)
            / max(self._watch.phases["read texts"], 1e-9),
            val_loss=learned.loss,
            val_bits_per_byte=None,
            last_val_loss=learned.last_loss,
            peak_rss_bytes=peak_rss_bytes(),
            metrics=figures,
        )
        self._watch.lap("save")
        write_reports(
            Told(
                out=self._out,
                result=result,
                recipe=self._recipe,
                gathered=replace(gathered, train=known.examples, validation=looks.examples),
                tokens=known.tokens,
                validation_tokens=looks.tokens,
                tokenizer=("of the encoder", encoder.vocab_size),
                architecture=_architecture(encoder, result.parameters),
                method="logistic regression by L-BFGS on the vectors of a frozen encoder, penalty "
                f"{learned.best.penalty:.1g}, float32",
                energy=self._meter.stop(),
                phases=self._watch.phases,
                forecast=read_json(self._out / folder.FORECAST),
                encoder=made.encoder.name,
            )
        )
        planning.finishing_took(time.perf_counter() - mark, 0, task=FINISHING)
        return replace(result, wall_s=self._watch.passed)

    def _look(self, step: int, tokens: int, loss: float) -> Entry:
        passed = self._watch.passed
        return Entry(kind="validation", step=step, tokens=tokens, elapsed_s=passed, loss=loss)


def _lasting(reference: str) -> str:
    """Return a reference that names the same wherever the run is used from."""
    path = Path(reference).expanduser()
    return str(path.resolve()) if path.exists() else reference


def _targets(examples: Sequence[Labeled], head: HeadConfig) -> Tensor:
    found = torch.from_numpy(targets_of(examples, head))
    return found.float() if head.multi_label else found


def _unsure(head: HeadConfig) -> float:
    """Return the loss, in nats a text, of whoever finds all labels alike."""
    count = len(head.labels)
    return count * math.log(2) if head.multi_label else math.log(count)


def _architecture(encoder: Encoder, parameters: int) -> ArchitectureFacts:
    config = encoder.config
    heads = int(config.num_attention_heads)
    return ArchitectureFacts(
        family=str(config.model_type),
        parameters=parameters,
        layers=int(config.num_hidden_layers),
        hidden_size=int(config.hidden_size),
        heads=heads,
        key_value_heads=heads,
        context_length=encoder.max_tokens,
        dtype="float32",
    )
