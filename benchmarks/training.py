"""How fast does training go? FE2E and MESM on a prepared dataset, step by step in turn; prints and saves a table.

    python benchmarks/training.py DATA                      # the published sizes, p = 0.5, two threads
    python benchmarks/training.py DATA --steps 4 --width 16 # a quick look

A step is loading (Parquet, spectrograms, tokens; by this process, nothing read ahead), forward with the loss, backward, and
the optimizer; no validation, no saving. Both models read the same batches, in turn, and the median over the steps counts:
utterances per second of the wall clock, and each phase's share of a step's time. Beside it the processor's seconds of
a step, which other programs on the machine disturb less; the ratio is taken of both. Two steps before are not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mesmer.config import RunSettings, preset
from mesmer.dataset.loading import BatchLoader, PreparedDataset
from mesmer.models.base import EmotionModel
from mesmer.models.registry import build_model
from mesmer.nn.native import native_kernels
from mesmer.records import Batch
from mesmer.signals.text import train_tokenizer
from mesmer.training.loss import positive_weights, utterance_losses
from mesmer.training.optimizer import clip_gradient, make_optimizer

PHASES = ("loading", "forward", "backward", "optimizer")
UNCOUNTED = 2


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of one step, by phase."""

    wall_s: dict[str, float]
    processor_s: float


class Clock:
    """Takes the time of phases."""

    def __init__(self) -> None:
        self.wall_s = dict.fromkeys(PHASES, 0.0)
        self._processor_start_s = time.process_time()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.wall_s[name] += time.perf_counter() - start

    def times(self) -> Times:
        return Times(wall_s=self.wall_s, processor_s=time.process_time() - self._processor_start_s)


class Trainer:
    """One model with its optimizer and its own loader, so that loading is timed for each."""

    def __init__(self, name: str, settings: RunSettings, dataset: PreparedDataset) -> None:
        self.name, self._settings = name, settings
        split = dataset.split("train")
        tokenizer = train_tokenizer(split.texts, settings.model.text.vocabulary_size)
        torch.manual_seed(settings.train.seed)
        self._model: EmotionModel = build_model(settings.model, tokenizer_size=tokenizer.size).train()
        self._optimizer = make_optimizer(self._model, settings.train)
        self._weight = positive_weights(split.labels)
        self._loader = BatchLoader(
            split,
            tokenizer=tokenizer,
            mel=settings.model.mel,
            max_tokens=settings.model.text.max_tokens,
            batch_size=settings.train.batch_size,
            shuffle=True,
            seed=0,
            augment_faces=settings.train.augment_faces,
            augment_sound=settings.train.augment_sound,
        )
        self._batches = self._endless()
        self.density: list[float] = []

    def step(self) -> Times:
        clock = Clock()
        with clock.phase("loading"):
            batch = next(self._batches)
        assert batch.labels is not None
        with clock.phase("forward"):
            output = self._model(batch)
            train = self._settings.train
            loss = utterance_losses(
                output, batch.labels, positive_weight=self._weight, branch_loss=train.branch_loss
            ).mean()
        with clock.phase("backward"):
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
        with clock.phase("optimizer"):
            clip_gradient(self._model.parameters(), train.gradient_clip)
            self._optimizer.step()
        self.density.append(float(output.multiply_adds.sum() / output.dense_multiply_adds.sum()))
        return clock.times()

    def _endless(self) -> Iterator[Batch]:
        size = self._settings.train.batch_size
        for epoch in range(10**9):
            yield from (batch for batch in self._loader.epoch(epoch) if len(batch) == size)


def settings_of(options: argparse.Namespace, name: str) -> RunSettings:
    base = preset("mesmer")
    sparse = replace(base.model.sparse, top_p=options.top_p, warm_epochs=0, backend=options.backend)
    model = replace(base.model, name=name, width=options.width, modality_dropout=0.0, sparse=sparse)
    return RunSettings(model=model, train=replace(base.train, batch_size=options.batch_size))


def summary(name: str, steps: list[Times], *, batch_size: int, density: list[float]) -> dict[str, Any]:
    total_s = statistics.median(sum(step.wall_s.values()) for step in steps)
    sums = {phase: sum(step.wall_s[phase] for step in steps) for phase in PHASES}
    return {
        "model": name,
        "utterances_per_s": batch_size / total_s,
        "step_s": total_s,
        "processor_s": statistics.median(step.processor_s for step in steps),
        "shares": {phase: value / sum(sums.values()) for phase, value in sums.items()},
        "multiply_adds_share": statistics.mean(density),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="prepared dataset")
    parser.add_argument("--steps", type=int, default=8, help="counted steps of each model")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--width", type=int, default=64, help="of the stem; 64 is the published size")
    parser.add_argument("--top-p", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backend", choices=("auto", "masked", "torch", "native"), default="native")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    if options.backend == "native" and native_kernels() is None:
        sys.exit("there are no compiled kernels on this machine; choose another --backend")
    dataset = PreparedDataset.open(options.data)
    trainers = [Trainer(name, settings_of(options, name), dataset) for name in ("fe2e", "mesm")]
    times: dict[str, list[Times]] = {trainer.name: [] for trainer in trainers}
    for number in range(UNCOUNTED + options.steps):
        for trainer in trainers if number % 2 else reversed(trainers):
            taken = trainer.step()
            if number >= UNCOUNTED:
                times[trainer.name].append(taken)

    rows = [
        summary(one.name, times[one.name], batch_size=options.batch_size, density=one.density[UNCOUNTED:])
        for one in trainers
    ]
    dense, sparse = rows
    print(
        f"{options.steps} steps of {options.batch_size} utterances, width {options.width}, p = {options.top_p:g}, ", end=""
    )
    print(f"{options.threads} threads, backend {options.backend}")
    print("model  utterances/s  s/step  processor s/step  " + "  ".join(PHASES) + "  multiply-adds")
    for row in rows:
        shares = "  ".join(f"{100 * row['shares'][phase]:{len(phase) - 2}.1f} %" for phase in PHASES)
        print(
            f"{row['model']:5}  {row['utterances_per_s']:12.2f}  {row['step_s']:6.2f}  {row['processor_s']:16.2f}  "
            f"{shares}  {100 * row['multiply_adds_share']:11.1f} %"
        )
    print(f"mesm trains {dense['step_s'] / sparse['step_s']:.2f} times as fast as fe2e by the wall clock, ", end="")
    print(f"{dense['processor_s'] / sparse['processor_s']:.2f} times by processor time")
    if options.json:
        asked = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        steps = {name: [asdict(step) for step in some] for name, some in times.items()}
        options.json.write_text(json.dumps({"options": asked, "rows": rows, "steps": steps}, indent=2) + "\n")


if __name__ == "__main__":
    main()
