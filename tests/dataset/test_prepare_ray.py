"""Preparation on a Ray cluster of this machine: the same bytes; and what is told where Ray is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from made_parts import contents, made_corpus

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.folder import read_folder
from mesmer.dataset.prepare import prepare
from mesmer.errors import ConfigError
from mesmer.media.writer import write_video

SETTINGS = PrepareSettings()


def real_corpus(raw: Path) -> Corpus:
    """Three files of noise and a tone with three utterances each, and one file that is none."""
    raw.mkdir()
    lines = ["path,start_s,end_s,speaker,text,labels"]
    for n in range(3):
        generator = np.random.default_rng(n)
        frames = [generator.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(60)]
        tone = (0.5 * np.sin(np.arange(48_000) * (0.02 + n / 1000))).astype(np.float32)
        write_video(raw / f"{n}.mp4", frames, 20, tone)
        lines += [f"{n}.mp4,{start},{start + 1.2},s{n},words {n} {start},fear" for start in (0.0, 1.5, 1.0)]
    (raw / "broken.mp4").write_text("file 'other.mp4'")
    lines.append("broken.mp4,0,1,s0,broken,fear")
    (raw / "manifest.csv").write_text("\n".join(lines))
    return read_folder(raw / "manifest.csv")


def test_workers_of_a_cluster_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    corpus = real_corpus(tmp_path / "raw")
    said: list[int] = []
    for name, engine, workers in (("here", "local", 0), ("ray", "ray", 2)):
        report = prepare(
            corpus,
            tmp_path / name,
            settings=SETTINGS,
            workers=workers,
            engine=engine,  # type: ignore[arg-type]
            progress=lambda done, total: said.append(done),
        )
        assert (report.rows_out, report.quarantined) == (9, 1)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")
    assert said[-1] == 10


def test_without_ray_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    corpus = made_corpus(tmp_path / "raw", [{}] * 4)
    with pytest.raises(ConfigError, match=r"pip install 'mesmer-emotion\[scale\]'"):
        prepare(corpus, tmp_path / "out", settings=SETTINGS, engine="ray")


def test_engines_and_addresses_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "raw", [{}] * 4)
    with pytest.raises(ConfigError, match="no engine 'spark'"):
        prepare(corpus, tmp_path / "out", settings=SETTINGS, engine="spark")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="an address is for the engine ray"):
        prepare(corpus, tmp_path / "out", settings=SETTINGS, ray_address="auto")
    assert not (tmp_path / "out").exists()
