"""``kill -9`` during preparation, any number of times, then to the end: the same dataset, to the byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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
from made_parts import made_corpus, made_parts
from mesmer.config import PrepareSettings
from mesmer.corpora.folder import read_folder
from mesmer.dataset.prepare import make_parts, prepare
if __name__ == "__main__":
    raw, real = Path(sys.argv[2]), sys.argv[5] == "real"
    corpus = read_folder(raw / "manifest.csv") if real else made_corpus(raw, [{"hang_s": 0.02}] * 48)
    prepare(corpus, Path(sys.argv[3]), settings=PrepareSettings(), workers=int(sys.argv[4]),
            parts=make_parts if real else made_parts, progress=lambda done, total: print(done, flush=True))
"""


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


@pytest.mark.parametrize(("workers", "more"), [pytest.param(0, 0, marks=pytest.mark.slow), (2, 8)])
def test_killed_and_finished_is_the_same_to_the_byte(tmp_path: Path, workers: int, more: int) -> None:
    """Killed with two workers, finished without any."""
    began, ended = Runs(tmp_path, workers=workers, kind="made").until_done(more)
    assert (began, ended >= more) == (0, True)
    corpus, said = made_corpus(tmp_path / "raw", [{"hang_s": 0.02}] * 48), []
    for folder in ("out", "whole"):
        prepare(
            corpus,
            tmp_path / folder,
            settings=PrepareSettings(),
            workers=0,
            progress=lambda done, total: said.append(done),
            parts=made_parts,
        )
    assert ended <= said[0] <= ended + 4 * max(1, workers)  # what was done stays; little more can have been on its way
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def real_corpus(raw: Path, clips: int) -> Corpus:
    """Small mp4 files of noise and a tone, and one file that is none."""
    raw.mkdir()
    lines = ["path,speaker,text,labels"]
    for n in range(clips):
        generator = np.random.default_rng(n)
        frames = [generator.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(20)]
        tone = (0.5 * np.sin(np.arange(16_000) * (0.02 + n / 1000))).astype(np.float32)
        write_video(raw / f"{n:02d}.mp4", frames, 20, tone)
        lines.append(f"{n:02d}.mp4,s{n % 5},number {n},{('fear', 'anger', 'none')[n % 3]}")
    (raw / "broken.mp4").write_text("file 'other.mp4'")
    lines.append("broken.mp4,s0,broken,fear")
    (raw / "manifest.csv").write_text("\n".join(lines))
    return read_folder(raw / "manifest.csv")


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    report = prepare(real_corpus(tmp_path / "raw", 5), tmp_path / "out", settings=PrepareSettings(), workers=0)
    assert (report.rows_in, report.rows_out, report.quarantined) == (6, 5, 1)
    assert '"media": "broken.mp4", "kind": "container"' in (tmp_path / "out" / "quarantine.jsonl").read_text()


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Kills at random moments, of real files with two workers: while starting, decoding, writing and joining."""
    corpus = real_corpus(tmp_path / "raw", 40)
    prepare(corpus, tmp_path / "whole", settings=PrepareSettings(), workers=0)
    runs = Runs(tmp_path, workers=2, kind="real")
    start = time.monotonic()
    runs.to_the_end()
    whole_s = time.monotonic() - start
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    draw = random.Random(0)
    begun = 0
    for _ in range(2):
        for path in sorted((tmp_path / "out").iterdir()):
            path.unlink()
        for _ in range(4):
            process = runs.start()
            assert process.stdout is not None
            time.sleep(draw.uniform(0.3, 1.1) * whole_s * draw.choice((0.5, 1.0)))
            process.kill()
            process.stdout.close()
            process.wait()
            assert_all_ended(process.pid)
            begun += (tmp_path / "out" / ".preparing").exists()
        runs.to_the_end()
        assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert begun >= 3  # most kills struck in the midst of the work


@pytest.mark.slow
def test_a_script_without_its_main_guard_is_told_so(tmp_path: Path) -> None:
    script = SCRIPT.replace('if __name__ == "__main__":', "if True:")
    (tmp_path / "run.py").write_text(script)
    words = [str(Path(__file__).parent), str(tmp_path / "raw"), str(tmp_path / "out"), "1", "made"]
    done = subprocess.run([sys.executable, str(tmp_path / "run.py"), *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "if __name__ == '__main__'" in done.stderr.splitlines()[-1]
