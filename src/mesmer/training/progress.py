"""Who is told how training goes: a JSONL log always, and a person, by a live bar on a terminal or by plain lines."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mesmer.storage.atomic import plain_error


class Listener(Protocol):
    """Is told of every step and epoch. ``facts`` holds plain numbers only."""

    def step(self, facts: dict[str, Any]) -> None:
        """One step: ``step``, ``epoch``, ``loss``, ``learning_rate``, ``gradient_norm``, ``top_p``, ``utterances``."""

    def epoch(self, facts: dict[str, Any]) -> None:
        """One epoch with its validation: ``epoch``, ``train_loss``, ``valid_f1``, ``best_f1``, ``best_epoch``, ..."""

    def close(self) -> None:
        """Training ended, well or not."""


class JsonLog:
    """Appends one JSON object per step and epoch to ``log.jsonl``, with seconds since the start of this process's part.

    Args:
        path: the log.
        keep_bytes: what of an earlier part's log stays. Steps after the last saved state are run again, and logged again.

    Raises:
        MesmerError: here and in every method: the log cannot be written.
    """

    def __init__(self, path: Path, *, keep_bytes: int = 0) -> None:
        self._path = path
        with self._plainly():
            self._file = path.open("ab")
            self._file.truncate(min(keep_bytes, path.stat().st_size))  # never longer: a power cut may have shortened it
            self._file.seek(0, os.SEEK_END)
        self._start = time.monotonic()

    def step(self, facts: dict[str, Any]) -> None:
        self._write("step", facts)

    def epoch(self, facts: dict[str, Any]) -> None:
        self._write("epoch", facts)

    def close(self) -> None:
        with self._plainly():
            self._file.close()

    @property
    def size_bytes(self) -> int:
        """Bytes written so far, those of earlier parts included."""
        return self._file.tell()

    def _write(self, event: str, facts: dict[str, Any]) -> None:
        line = {"event": event, **facts, "seconds": round(time.monotonic() - self._start, 3)}
        with self._plainly():
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()

    @contextlib.contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise plain_error(error, self._path) from error


class Screen:
    """Tells a person: a live bar where ``file`` is a terminal, one plain line per epoch elsewhere."""

    def __init__(self, file: TextIO, *, epochs: int, steps_per_epoch: int, done_steps: int = 0) -> None:
        self._console = Console(file=file, highlight=False)
        self._bar: Progress | None = None
        self._steps, self._first_step = epochs * steps_per_epoch, done_steps
        self._utterances, self._start = 0, time.monotonic()
        if self._console.is_terminal:
            columns = (TextColumn("training"), BarColumn(10), MofNCompleteColumn(), TextColumn("{task.fields[now]}"))
            self._bar = Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=self._console)
            self._task = self._bar.add_task("", total=self._steps, completed=done_steps, now="")
            self._bar.start()

    def step(self, facts: dict[str, Any]) -> None:
        self._utterances += facts["utterances"]
        if self._bar:
            speed = self._utterances / (time.monotonic() - self._start)
            now = f"loss {facts['loss']:.3f}, rate {facts['learning_rate']:.1e}, {speed:.1f}/s,"
            self._bar.update(self._task, completed=facts["step"], now=now)

    def epoch(self, facts: dict[str, Any]) -> None:
        best = " (best)" if facts["best_epoch"] == facts["epoch"] else ""
        line = (
            f"epoch {facts['epoch']}: loss {facts['train_loss']:.4f}, validation F1 {100 * facts['valid_f1']:.1f}{best}, "
            f"top_p {facts['top_p']:.2f}, {facts['utterances_per_s']:.1f} utterances/s"
        )
        if facts["step"] < self._steps:
            line += f", {self._left(facts)} left at most"
        if self._bar:
            self._bar.console.print(line)
        else:
            print(line, file=self._console.file, flush=True)

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _left(self, facts: dict[str, Any]) -> str:
        """Return how long the steps to come take at the pace of this process, validation included."""
        pace_s = (time.monotonic() - self._start) / max(1, facts["step"] - self._first_step)
        return str(timedelta(seconds=round(pace_s * (self._steps - facts["step"]))))


class Counter:
    """Tells a person how many of how many are done, how fast, and the time left: a live bar on a terminal, a plain line
    every tenth elsewhere.
    """

    def __init__(self, title: str, *, file: TextIO) -> None:
        self._title = title
        self._console = Console(file=file, highlight=False)
        self._bar: Progress | None = None
        self._told = 0
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> Counter:
        if self._console.is_terminal:
            rate = TextColumn("{task.fields[rate]}")
            columns = (TextColumn(self._title), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task("", total=None, rate="")
            self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Take note that ``done`` of ``total`` are done; the first call says what was done before this process began."""
        now_s = time.monotonic()
        if self._first is None:
            self._first = (done, now_s)
        rate = _rate(done - self._first[0], now_s - self._first[1])
        if self._bar:
            self._bar.update(self._task, completed=done, total=total, rate=f"{rate:.3g}/s" if rate else "")
        elif total and 10 * done // total > self._told:
            self._told = 10 * done // total
            left = f", {rate:.3g}/s, {time_left((total - done) / rate)} left" if rate and done < total else ""
            print(f"{self._title}: {done} of {total}{left}", file=self._console.file, flush=True)


def _rate(done: int, seconds: float) -> float:
    """Things done per second; 0 while nothing can be said."""
    return done / seconds if done > 0 and seconds > 0 else 0.0


def time_left(seconds: float) -> str:
    """Return seconds in words: ``42 s``, ``7 min``, ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
