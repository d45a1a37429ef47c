"""``kill -9`` during preparation, any number of times, then to the end: the same dataset, to the byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_parts import contents, made_corpus, made_parts

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.folder import read_folder
from mesmer.dataset.prepare import prepare
from mesmer.media.writer import write_video

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_prepare_killed import made, real
from made_parts import made_parts
from mesmer.config import PrepareSettings
from mesmer.dataset.prepare import make_parts, prepare
if __name__ == "__main__":
    is_real = sys.argv[5] == "real"
    corpus = (real if is_real else made)(Path(sys.argv[2]))
    prepare(corpus, Path(sys.argv[3]), settings=PrepareSettings(), workers=int(sys.argv[4]),
            parts=make_parts if is_real else made_parts, progress=lambda done, total: print(done, flush=True))
"""
SOURCES, ROWS = 24, 2


def made(raw: Path) -> Corpus:
    """Sources of two utterances each."""
    corpus = made_corpus(raw, [{"hang_s": 0.03}] * SOURCES * ROWS)
    media = [corpus.utterances[n - n % ROWS].media for n in range(SOURCES * ROWS)]
    return replace(corpus, utterances=tuple(replace(u, media=m) for u, m in zip(corpus.utterances, media, strict=True)))


def real(raw: Path) -> Corpus:
    """Small mp4 files of noise and a tone, two utterances in each, and one file that is none."""
    if (raw / "manifest.csv").exists():
        return read_folder(raw / "manifest.csv")
    raw.mkdir()
    lines = ["path,start_s,end_s,speaker,text,labels"]
    for n in range(20):
        generator = np.random.default_rng(n)
        frames = [generator.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(20)]
        tone = (0.5 * np.sin(np.arange(16_000) * (0.02 + n / 1000))).astype(np.float32)
        write_video(raw / f"{n:02d}.mp4", frames, 20, tone)
        for start_s in (0, 0.4):
            lines.append(f"{n:02d}.mp4,{start_s},{start_s + 0.5},s{n % 5},number {n},{('fear', 'anger', 'none')[n % 3]}")
    (raw / "broken.mp4").write_text("file 'other.mp4'")
    lines.append("broken.mp4,,,s0,broken,fear")
    (raw / "manifest.csv").write_text("\n".join(lines))
    return read_folder(raw / "manifest.csv")


class Runs:
    """Starts preparations of one corpus into one folder, each in a session of its own."""

    def __init__(self, folder: Path, *, workers: int, kind: str) -> None:
        self._folder = folder
        (folder / "run.py").write_text(SCRIPT)
        here = str(Path(__file__).parent)
        self._words = [str(folder / "run.py"), here, str(folder / "raw"), str(folder / "out"), str(workers), kind]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, *self._words], stdout=subprocess.PIPE, text=True, start_new_session=True)

    def until_done(self, more: int) -> tuple[int, int]:
        """Kill a run once it has done so many utterances more; return where it began and what it had said at the end."""
        process = self.start()
        said = []
        for line in lines_of(process):
            said.append(int(line))
            if said[-1] >= said[0] + more:
                os.kill(process.pid, signal.SIGKILL)
                break
        assert process.wait() == -signal.SIGKILL
        assert_all_ended(process.pid)
        return said[0], said[-1]

    def to_the_end(self) -> int | None:
        """Let a run finish and return where it began; None where nothing was left to do."""
        process = self.start()
        said = [int(line) for line in lines_of(process)]
        assert process.wait() == 0
        return said[0] if said else None


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    with process.stdout:
        yield from process.stdout


def assert_all_ended(session: int) -> None:
    """Workers and decoders of a killed run must end by themselves."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(session, signal.SIGKILL)
    pytest.fail("a process outlived its killed parent")


def prepared_sources(out: Path) -> dict[str, int]:
    """The sources that stand, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / ".preparing").glob("source-*.parquet")}


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_killed_twice_and_finished_is_the_same_to_the_byte(tmp_path: Path, workers: int) -> None:
    """What was prepared before a kill is not prepared again; a source per worker, at most, was on its way."""
    runs, out = Runs(tmp_path, workers=workers, kind="made"), tmp_path / "out"
    corpus = made(tmp_path / "raw")
    before: dict[str, int] = {}
    for _ in range(2):
        began, ended = runs.until_done(6)
        assert began == ROWS * len(before)
        stands = prepared_sources(out)
        assert {name: stands[name] for name in before} == before
        assert len(stands) * ROWS >= ended - (ROWS - 1) * max(1, workers)  # what was told as done, but for begun sources
        before = stands
    said: list[int] = []
    for folder in ("out", "whole"):
        prepare(
            corpus,
            tmp_path / folder,
            settings=PrepareSettings(),
            workers=0,
            progress=lambda done, total: said.append(done),
            parts=made_parts,
        )
    assert said[0] == ROWS * len(before)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    report = prepare(real(tmp_path / "raw"), tmp_path / "out", settings=PrepareSettings(), workers=0)
    assert (report.rows_in, report.rows_out, report.quarantined) == (41, 40, 1)
    assert '"media": "broken.mp4", "kind": "container"' in (tmp_path / "out" / "quarantine.jsonl").read_text()


@pytest.mark.slow
def test_killed_thirty_times_at_any_moment(tmp_path: Path) -> None:
    """Kills at random moments, of real files with two workers: while starting, decoding, writing and joining."""
    corpus = real(tmp_path / "raw")
    prepare(corpus, tmp_path / "whole", settings=PrepareSettings(), workers=0)
    runs, out = Runs(tmp_path, workers=2, kind="real"), tmp_path / "out"
    start = time.monotonic()
    runs.to_the_end()
    whole_s = time.monotonic() - start
    assert contents(out) == contents(tmp_path / "whole")
    draw = random.Random(0)
    kills = begun = 0
    while kills < 30:
        for path in sorted(out.iterdir()):
            path.unlink()
        for _ in range(5):
            before = prepared_sources(out)
            process = runs.start()
            assert process.stdout is not None
            time.sleep(draw.uniform(0.3, 1.1) * whole_s * draw.choice((0.5, 1.0)))
            process.kill()
            process.stdout.close()
            process.wait()
            assert_all_ended(process.pid)
            kills += 1
            begun += (out / ".preparing").exists()
            after = prepared_sources(out)
            if after:  # else it was finished
                assert {name: after.get(name) for name in before} == before  # nothing that stood was made again
        runs.to_the_end()
        assert contents(out) == contents(tmp_path / "whole")
    assert begun >= 8  # many kills struck in the midst of the work


@pytest.mark.slow
def test_a_script_without_its_main_guard_is_told_so(tmp_path: Path) -> None:
    script = SCRIPT.replace('if __name__ == "__main__":', "if True:")
    (tmp_path / "run.py").write_text(script)
    words = [str(Path(__file__).parent), str(tmp_path / "raw"), str(tmp_path / "out"), "1", "made"]
    done = subprocess.run([sys.executable, str(tmp_path / "run.py"), *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "if __name__ == '__main__'" in done.stderr.splitlines()[-1]
