"""Sharing sources out: what becomes of a source whose workers die, told by workers that are no processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_parts import Dies, MadeDetector, MadeReader, made_corpus

from mesmer.config import PrepareSettings
from mesmer.dataset.crew import MAX_DEATHS, Died, Done, Told, run_crew
from mesmer.dataset.pieces import PieceTask, find_piece, make_piece, make_task
from mesmer.dataset.plan import make_plan
from mesmer.errors import MesmerError

SETTINGS = PrepareSettings()


class HereWorker:
    """Prepares a source in this process, one message at a time."""

    def __init__(self) -> None:
        self.saying: Iterator[Told] | None = None

    def start(self, task: PieceTask) -> None:
        reader: Any = MadeReader()
        self.saying = make_piece(task, reader=reader, detector=MadeDetector(), settings=SETTINGS)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.saying = None


class HereCrew:
    def __init__(self) -> None:
        self.hired = 0

    def hire(self) -> HereWorker:
        self.hired += 1
        return HereWorker()

    def heard(self, workers: Sequence[Any]) -> list[tuple[Any, Told]]:
        said: list[tuple[Any, Told]] = []
        for worker in workers:
            if worker.saying is None:
                continue
            try:
                said.append((worker, next(worker.saying)))
            except StopIteration:
                worker.stop()
                said.append((worker, Done()))
            except Dies:
                said.append((worker, Died(-9)))
        return said


def one_source(folder: Path, rows: int, *, fatal: int | None) -> PieceTask:
    corpus = made_corpus(folder / "raw", [{"die_at_s": None if fatal is None else float(fatal)}] * rows)
    media = corpus.utterances[0].media
    utterances = tuple(replace(u, media=media, start_s=float(n), end_s=n + 0.5) for n, u in enumerate(corpus.utterances))
    plan = make_plan(replace(corpus, utterances=utterances), settings=SETTINGS, split_seed=0)
    return make_task(plan.sources[0], path=folder / "source.parquet", emotions=corpus.emotions, plan_sha256="x")


@settings(max_examples=12, deadline=None)
@given(rows=st.integers(1, 9), fatal=st.integers(0, 8), workers=st.integers(1, 3))
def test_only_the_utterance_that_workers_die_of_is_given_up(
    tmp_path_factory: pytest.TempPathFactory, rows: int, fatal: int, workers: int
) -> None:
    """Utterances of one file are tried together, then in halves, until the one is found; the rest arrives."""
    folder, crew, done = tmp_path_factory.mktemp("crew"), HereCrew(), []
    task = one_source(folder, rows, fatal=fatal)
    run_crew([task], crew, done.append, workers=workers)
    piece = find_piece(task)
    assert piece is not None
    lost = [fatal] if fatal < rows else []
    assert [row.place for row in piece.quarantined] == lost
    assert [row.kind for row in piece.quarantined] == ["worker"] * len(lost)
    assert sorted(piece.places) == [place for place in range(rows) if place not in lost]
    assert sum(done) == rows
    halvings = 1 + (rows - 1).bit_length()
    assert crew.hired <= 1 + MAX_DEATHS * halvings * len(lost)


def test_workers_that_die_before_they_begin_are_not_hired_for_ever(tmp_path: Path) -> None:
    class Doomed(HereCrew):
        def heard(self, workers: Sequence[Any]) -> list[tuple[Any, Told]]:
            return [(worker, Died(-9)) for worker in workers]

    with pytest.raises(MesmerError, match=r"die before they begin \(exit code -9\); free some memory"):
        run_crew([one_source(tmp_path, 2, fatal=None)], Doomed(), lambda rows: None, workers=1)
