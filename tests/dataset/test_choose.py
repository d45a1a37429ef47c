"""From a corpus to what shall be prepared: nothing is lost on the way, and trials and outlooks say what they are."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_parts import made_corpus, made_parts

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus, LeftOut
from mesmer.dataset.choose import _limited, _portable, choose
from mesmer.dataset.outlook import FILES_ASKED, look_ahead
from mesmer.dataset.prepare import prepare
from mesmer.dataset.splits import parse_split
from mesmer.errors import ConfigError, MediaError
from mesmer.media.facts import MediaFacts
from mesmer.records import SPLITS, Utterance


@given(st.lists(st.sampled_from(SPLITS), min_size=1, max_size=60), st.integers(1, 70))
def test_a_trial_takes_the_first_of_each_split_in_proportion(splits: list[str], limit: int) -> None:
    made = tuple(Utterance(id=f"u{n}", corpus="c", media="m", split=split) for n, split in enumerate(splits))
    corpus = Corpus(name="c", emotions=("joy",), utterances=made, root=Path("r"))
    found = _limited(corpus, limit)
    assert len(found) == min(limit, len(made))
    assert found.choices.limited_from == (len(made) if limit < len(made) else None)
    sizes, kept = Counter(splits), Counter(u.split for u in found.utterances)
    for split in SPLITS:
        mine = [u for u in made if u.split == split]
        assert [u for u in found.utterances if u.split == split] == mine[: kept[split]]
        assert abs(kept[split] - len(found) * sizes[split] / len(made)) < 2
        assert kept[split] or not sizes[split] or limit < 3
    assert [u.id for u in found.utterances] == [u.id for u in made if u in found.utterances]


def test_files_of_reasons_say_nothing_about_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    left_out = tuple(
        LeftOut(id=str(n), file=file, rule="r")
        for n, file in enumerate([str(tmp_path / "raw/a/b.txt"), "raw/c.txt", "/elsewhere/lists", str(tmp_path / "raw")])
    )
    corpus = Corpus(name="c", emotions=("joy",), utterances=(), root=Path("raw"), left_out=left_out)
    assert [row.file for row in _portable(corpus).left_out] == ["a/b.txt", "c.txt", "lists", "."]


def manifest(folder: Path, rows: list[dict[str, Any]]) -> Path:
    for row in rows:
        (folder / row["path"]).write_bytes(b"x")
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "m.jsonl"


def test_a_rule_replaces_the_splits_of_the_corpus(tmp_path: Path) -> None:
    rows = [{"path": f"{n}.mp4", "speaker": f"s{n}", "split": "train", "labels": ["anger"]} for n in range(10)]
    file = manifest(tmp_path, rows)
    assert choose("folder", file).corpus.split_sizes() == {"train": 10, "valid": 0, "test": 0}
    assert choose("folder", file).corpus.choices.split_rule is None
    chosen = choose("folder", file, split=parse_split("speaker:50/20/30"))
    assert chosen.corpus.split_sizes() == {"train": 5, "valid": 2, "test": 3}
    assert chosen.corpus.choices.split_rule == "speaker:50/20/30"
    with pytest.raises(ConfigError, match="give one of them"):
        choose("folder", file, split=parse_split("speaker"), lists=tmp_path)


def test_without_speakers_dialogues_stay_together(tmp_path: Path) -> None:
    rows = [{"path": f"{n}.mp4", "dialogue": f"d{n % 5}", "labels": ["anger"]} for n in range(20)]
    corpus = choose("folder", manifest(tmp_path, rows)).corpus
    assert corpus.choices.split_rule == "dialogue"
    homes: dict[str | None, set[str | None]] = {}
    for u in corpus.utterances:
        homes.setdefault(u.dialogue, set()).add(u.split)
    assert all(len(home) == 1 for home in homes.values())


def test_an_outlook_says_what_preparing_does_and_asks_few_files(tmp_path: Path) -> None:
    made = [{"seconds": 2.0 + n % 3, "split": SPLITS[n % 3]} for n in range(60)]
    corpus = made_corpus(tmp_path / "raw", made)
    asked: list[str] = []

    def probe(path: Path) -> MediaFacts:
        asked.append(path.name)
        if path.name.endswith("7.json"):
            raise MediaError("torn", kind="corrupt", file=path)
        seconds = json.loads(path.read_text())["seconds"]
        return MediaFacts(container="made", size_bytes=1, duration_s=seconds, has_video=True, has_audio=True)

    outlook = look_ahead(corpus, settings=PrepareSettings(), probe=probe)
    assert len(asked) <= FILES_ASKED
    broken = {str(tmp_path / "raw" / name) for name in asked if name.endswith("7.json")}
    assert broken
    assert set(outlook.gone) == broken
    assert outlook.utterances == {"train": 20, "valid": 20, "test": 20}
    assert outlook.rows_in == outlook.media_files == 60
    assert outlook.hours == pytest.approx(60 * 3.0 / 3600, rel=0.15)
    assert sum(outlook.labels.values()) == 120  # two each
    out = tmp_path / "out"
    prepare(corpus, out, settings=PrepareSettings(), workers=0, parts=made_parts)
    written = sum(path.stat().st_size for path in out.glob("*.parquet"))
    assert outlook.bytes is not None
    assert 0.3 < outlook.bytes / written < 3  # noise packs worse than people
    known = replace(corpus, utterances=tuple(replace(u, start_s=0.5, end_s=1.5) for u in corpus.utterances))
    asked.clear()
    assert look_ahead(known, settings=PrepareSettings(), probe=probe).hours == pytest.approx(60 / 3600)
    assert asked == []
    gone = replace(corpus.utterances[3], media="gone.mp4")
    assert look_ahead(replace(corpus, utterances=(gone,)), settings=PrepareSettings(), probe=probe).gone == ("gone.mp4",)
