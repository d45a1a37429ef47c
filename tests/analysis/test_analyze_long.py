"""Ten minutes of two people against their truth; an hour needs little more memory than ten minutes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from two_people import long_plan, make_two_people

from mesmer.analysis import Analyzer
from mesmer.analysis.result import Analysis
from mesmer.corpora.synthetic.plan import plan_utterance
from mesmer.corpora.synthetic.rendering import perform
from mesmer.media.writer import write_video
from mesmer.models import LoadedModel
from process_memory import family, resident_mib

PROGRAM = """
import sys
from mesmer.analysis import Analyzer
with Analyzer(sys.argv[2]) as analyzer:
    analysis = analyzer.analyze(sys.argv[1])
print(len(analysis.utterances), analysis.analyzed_s)
"""
MORE_MIB = 64
MOST_MIB = 1536
SENTENCE_EVERY_S = 5


@pytest.mark.slow
def test_ten_minutes_of_two_people(tmp_path: Path, analyzer: Analyzer) -> None:
    turns, away = long_plan(240, seed=21)
    path = tmp_path / "long.mp4"
    make_two_people(path, turns=turns, away=away, seed=21)
    told = analyzer.analyze(path)
    alone = [
        turn
        for turn in turns
        if not any(other is not turn and other.start_s < turn.end_s and turn.start_s < other.end_s for other in turns)
    ]
    numbers = [_number(told, side, turns) for side in (0, 1)]
    found = right = 0
    for turn in alone:
        rows = [
            row for row in told.utterances if abs(row.start_s - turn.start_s) <= 0.3 and abs(row.end_s - turn.end_s) <= 0.3
        ]
        found += bool(rows)
        right += any(row.person in numbers[turn.person] for row in rows)
    assert found >= 0.95 * len(alone)
    assert right >= 0.95 * found


def _number(told: Analysis, side: int, turns: list) -> set[int]:
    """Return the numbers of one of the two: of a track, whoever's turns it speaks in most."""
    mine = set()
    for person in told.people:
        shared = [0.0, 0.0]
        for row in told.utterances:
            for turn in turns:
                if row.person == person.number:
                    shared[turn.person] += max(0.0, min(row.end_s, turn.end_s) - max(row.start_s, turn.start_s))
        if shared[side] > shared[1 - side]:
            mine.add(person.number)
    return mine


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures through /proc")
def test_an_hour_needs_little_more_memory_than_ten_minutes(tmp_path: Path, tiny_model: LoadedModel) -> None:
    compare(tmp_path, tiny_model, short=10, long=60)


def compare(tmp_path: Path, model: LoadedModel, *, short: int, long: int) -> None:
    few, many = (peak_mib(make(tmp_path / f"{minutes}.mp4", minutes), model, minutes) for minutes in (short, long))
    print(f"peak at {short} minutes {few:.0f} MiB, at {long} minutes {many:.0f} MiB")
    assert many - few < MORE_MIB
    assert many < MOST_MIB


def make(path: Path, minutes: int) -> Path:
    """One drawn person who says the same again and again, five drawings a second."""
    one = perform(plan_utterance(seed=3, name="long", speaker="s004", split="train", emotions=("anger",)), seed=3)
    sound = np.zeros(SENTENCE_EVERY_S * 16_000, np.float32)
    sound[: len(one.speech.waveform)] = one.speech.waveform
    pictures = list(one.pictures())[::5]
    each = SENTENCE_EVERY_S * 5
    pictures = (pictures + [pictures[0]] * each)[:each]
    count = minutes * 60 // SENTENCE_EVERY_S
    write_video(
        path,
        (picture for _ in range(count) for picture in pictures),
        Fraction(5),
        np.tile(sound, count),
        preset="ultrafast",
    )
    return path


def peak_mib(path: Path, model: LoadedModel, minutes: int) -> float:
    """Analyse in a process of its own and return the largest memory of it and its children, looked at all the time."""
    command = [sys.executable, "-c", PROGRAM, str(path), str(model.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak, pause = 0.0, threading.Event()
    while process.poll() is None:
        with contextlib.suppress(OSError):  # one of them has just ended
            peak = max(peak, sum(resident_mib(pid) for pid in family(process.pid)))
        pause.wait(0.1)
    assert process.returncode == 0
    assert process.stdout is not None
    rows, analyzed_s = process.stdout.read().split()
    assert int(rows) == minutes * 60 // SENTENCE_EVERY_S
    assert float(analyzed_s) == pytest.approx(minutes * 60, abs=1)
    return peak
