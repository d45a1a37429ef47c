"""Someone has a corpus as its owners deliver it and prepares it with one command: real media, commands and damage."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpora.planted_faults import PLANTERS, TREES, Fault, colour_of, iemocap_tree, tone_of
from corpora.raw_trees import IEMOCAP_TURNS, replace_once, write_ravdess
from mesmer.cli.main import main
from mesmer.corpora.id_lists import IN_NO_LIST, NOT_IN_CORPUS
from mesmer.corpora.sources import SOURCES
from mesmer.dataset.loading import PreparedDataset
from mesmer.records import SPLITS

OPTIONS = {"crema_d": ["--labels", "votes"], "cmu_mosei": ["--labels", "csv"]}


def prepared(kind: str, root: Path, out: Path, *words: str) -> Path:
    line = ["prepare", kind, str(root), str(out), "--workers", "0", *OPTIONS.get(kind, ()), *words]
    assert main(line) == 0, line
    return out


def records(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]


def columns(folder: Path, *names: str) -> dict[str, tuple[Any, ...]]:
    """Id -> the other columns, of all splits."""
    rows = {}
    for file in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(file, columns=["id", *names]).to_pylist():
            name = row.pop("id")
            rows[name] = tuple(row.values())
    return rows


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each tree is made once."""
    made: dict[str, Path] = {}

    def tree(kind: str) -> Path:
        if kind not in made:
            made[kind] = TREES[kind](tmp_path_factory.mktemp(kind) / "raw")
        return made[kind]

    return tree


@pytest.fixture(scope="module")
def clean(trees: Callable[[str], Path]) -> Callable[[str], Path]:
    """Each tree is prepared once."""
    made: dict[str, Path] = {}

    def dataset(kind: str) -> Path:
        if kind not in made:
            made[kind] = prepared(kind, trees(kind), trees(kind).parent / "out")
        return made[kind]

    return dataset


@pytest.mark.parametrize("kind", TREES)
def test_every_corpus_is_prepared_and_opens(
    kind: str, clean: Callable[[str], Path], trees: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets

    folder = clean(kind)
    dataset = PreparedDataset.open(folder, verify=True)
    facts = dataset.facts
    assert facts.rows_in == facts.rows_out + facts.quarantined
    assert len(records(folder)) == facts.quarantined
    assert {row["kind"] for row in records(folder)} <= {"left_out"}  # nothing failed to decode
    opened = datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))
    assert sum(len(split) for split in opened.values()) == facts.rows_out
    card = (folder / "README.md").read_text()
    assert SOURCES[kind].licence in card
    assert SOURCES[kind].home in card
    for rule, count in Counter(row["reason"] for row in records(folder)).items():
        assert f"| {rule} | {count} |" in card
    whole = b"".join(path.read_bytes() for path in folder.iterdir())
    assert str(trees(kind).parent).encode() not in whole  # it says nothing about this machine
    capsys.readouterr()
    assert main(["audit", str(folder), "--json"]) == 0
    audit = json.loads(capsys.readouterr().out)
    assert audit["splits"]["all"]["utterances"] == facts.rows_out
    assert sum(rule["count"] for rule in audit["removed"]) == facts.quarantined


def test_every_turn_shows_and_sounds_like_its_own_actor(clean: Callable[[str], Path]) -> None:
    """Each actor has a colour and a tone; both actors are left in one dialogue and right in another."""
    folder = clean("iemocap")
    dataset = PreparedDataset.open(folder)
    places = columns(folder, "region", "channel", "media", "sound_media")
    sides = Counter[tuple[str, str]]()
    seen = set()
    for split in SPLITS:
        for clip in dataset.split(split):
            dialogue, _, last = clip.id.rpartition("_")
            assert tone_of(clip.waveform) == colour_of(clip.faces) == last[0], clip.id
            side = "left" if last[0] == dialogue[5] else "right"
            part = f"Session{dialogue[4]}/dialog"
            files = (f"{part}/avi/DivX/{dialogue}.avi", f"{part}/wav/{dialogue}.wav")
            assert places[clip.id] == (side, side, *files)
            sides[last[0], side] += 1
            seen.add(clip.id)
    main_codes = {"ang", "hap", "sad", "neu", "exc", "fru"}
    assert seen == {turn.name for turns in IEMOCAP_TURNS.values() for turn in turns if turn.code in main_codes}
    assert set(sides) == {("F", "left"), ("F", "right"), ("M", "left"), ("M", "right")}


@pytest.fixture(scope="module")
def broken(
    trees: Callable[[str], Path], clean: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, list[Fault]]]:
    """A copy of each tree with its faults, prepared once."""
    made: dict[str, tuple[Path, list[Fault]]] = {}

    def dataset(kind: str) -> tuple[Path, list[Fault]]:
        if kind not in made:
            root = shutil.copytree(trees(kind), tmp_path_factory.mktemp(f"broken_{kind}") / "raw")
            faults = PLANTERS[kind](root)
            made[kind] = prepared(kind, root, root.parent / "out"), faults
        return made[kind]

    return dataset


@pytest.mark.parametrize("kind", TREES)
def test_planted_faults_are_found_and_nothing_else(
    kind: str,
    clean: Callable[[str], Path],
    broken: Callable[[str], tuple[Path, list[Fault]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, faults = broken(kind)
    planted = {name for name, *_ in faults}
    known = {(r["id"], r["media"], r["kind"], r["reason"]) for r in records(clean(kind)) if r["id"] not in planted}
    found = {(r["id"], r["media"], r["kind"], r["reason"]) for r in records(folder)}
    assert known <= found
    new = sorted(found - known)
    assert [row[:3] for row in new] == sorted(fault[:3] for fault in faults)
    for row, fault in zip(new, sorted(faults), strict=True):
        assert row[3] == fault[3] or (row[2] != "left_out" and fault[3] in row[3])
    # What had no fault is there as before, bit for bit; so is the first of what stands twice.
    gone = planted - {"-3g5yACwYnA_10", "01-01-03-02-02-01-01"}
    before = {name: row for name, row in columns(clean(kind), "checksum").items() if name not in gone}
    assert columns(folder, "checksum") == before
    capsys.readouterr()
    assert main(["audit", str(folder), "--json"]) == 0
    removed = json.loads(capsys.readouterr().out)["removed"]
    assert {name for rule in removed for name in rule["ids"]} == {row[0] for row in found}
    counts = Counter(row[3] for row in found if row[2] == "left_out")
    assert {rule["rule"]: rule["count"] for rule in removed if rule["kind"] == "left_out"} == counts


def test_the_planted_faults_are_of_many_kinds(broken: Callable[[str], tuple[Path, list[Fault]]]) -> None:
    kinds = {(kind, reason) for tree in TREES for _, _, kind, reason in broken(tree)[1]}
    assert len(kinds) >= 25


@pytest.mark.parametrize(
    ("kind", "file", "old", "new", "told"),
    [
        ("iemocap", "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "F000\tneu", "F000\tnou", "line 3, label"),
        ("cmu_mosei", "Transcript/Segmented/Combined/208416.txt", "___2.0___", "___2,0___", "line 1, end"),
        ("meld", "train_sent_emo.csv", "joy,neutral", "joi,neutral", "line 3, Emotion"),
        ("crema_d", "processedResults/tabulatedVotes.csv", '"100002",0,0,0,3', '"100002",0,0,0,4', "line 3, numResponses"),
    ],
)
def test_a_damaged_line_ends_it_in_one_line(
    kind: str,
    file: str,
    old: str,
    new: str,
    told: str,
    trees: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = shutil.copytree(trees(kind), tmp_path / "raw")
    replace_once(root / file, old, new)
    capsys.readouterr()
    assert main(["prepare", kind, str(root), str(tmp_path / "out"), *OPTIONS.get(kind, ())]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (error,) = [line for line in shown.err.splitlines() if not line.startswith("reading ")]
    assert error.startswith(f"mesmer: error: {root / file}: {told}: ")
    assert not (tmp_path / "out").exists()


# --- splits, trials, dry runs, archives --------------------------------------------------------------------------------


def write_lists(folder: Path, **lists: list[str]) -> Path:
    folder.mkdir()
    for split in SPLITS:
        (folder / f"{split}_split.txt").write_text("".join(f"{name}\n" for name in lists[split]))
    return folder


def test_lists_of_ids_are_the_splits_and_what_they_miss_is_told(
    trees: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = write_lists(
        tmp_path / "lists",
        train=["Ses01F_impro01_F000", "Ses01M_script01_1_F000", "Ses01F_impro77_F000", "Ses01M_script01_1_FXX0"],
        valid=["Ses01M_script01_1_M000"],
        test=["Ses05M_impro08b_M000", "Ses01F_impro01_F001"],
    )
    folder = prepared("iemocap", trees("iemocap"), tmp_path / "out", "--splits", str(lists))
    shown = capsys.readouterr().out
    assert "4 of 11 utterances prepared" in shown  # ten turns, and one id that is only listed
    assert "3 ids of the lists are not here" in shown
    assert "3 utterances are in no list: Ses01F_impro01_M000, Ses01F_impro01_M001, Ses01M_script01_1_M001" in shown
    dataset = PreparedDataset.open(folder)
    assert {split: set(dataset.split(split).ids) for split in SPLITS} == {
        "train": {"Ses01F_impro01_F000", "Ses01M_script01_1_F000"},
        "valid": {"Ses01M_script01_1_M000"},
        "test": {"Ses05M_impro08b_M000"},
    }
    found = {(row["id"], row["reason"], row.get("listed")) for row in records(folder)}
    xxx, sur, other = (
        f"the label '{code}' ({meaning}) is not one of the main categories"
        for code, meaning in (("xxx", "no majority"), ("sur", "surprise"), ("oth", "other"))
    )
    assert found == {
        ("Ses01F_impro77_F000", NOT_IN_CORPUS, "train"),
        ("Ses01M_script01_1_FXX0", sur, "train"),
        ("Ses01F_impro01_F001", xxx, "test"),
        ("Ses05M_impro08b_F000", other, None),
        ("Ses01F_impro01_M000", IN_NO_LIST, None),
        ("Ses01F_impro01_M001", IN_NO_LIST, None),
        ("Ses01M_script01_1_M001", IN_NO_LIST, None),
    }
    assert "Splits are those of lists of ids." in (folder / "README.md").read_text()
    assert main(["audit", str(folder), "--json"]) == 0
    findings = {finding["kind"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["not_here"]["count"] == 3
    assert findings["not_here"]["splits"] == {"train": 2, "valid": 0, "test": 1}
    assert set(findings["not_here"]["ids"]) == {"Ses01F_impro77_F000", "Ses01M_script01_1_FXX0", "Ses01F_impro01_F001"}


def test_the_papers_own_lists_say_what_the_paper_does_not(
    trees: Callable[[str], Path], real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole road with the published lists: 7,380 ids are read, the tree has a few of them, every other one is told."""
    lists = real_data / "mesm_splits" / "iemocap"
    folder = prepared("iemocap", trees("iemocap"), tmp_path / "out", "--splits", str(lists))
    shown = capsys.readouterr().out
    dataset = PreparedDataset.open(folder)
    here = sum(len(dataset.split(split)) for split in SPLITS)
    missing = [row for row in records(folder) if "listed" in row]
    assert here >= 1
    assert here + len(missing) == 7380
    assert f"{len(missing):,} ids of the lists are not here" in shown
    assert main(["audit", "--splits", str(lists), "--corpus", "iemocap"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "all 10 speakers of test are also in train: 1,481 of its 1,481 utterances (100 %)" in shown
    assert "all 151 dialogues of test are also in train: 1,481 of its 1,481 utterances (100 %)" in shown
    for corpus, sizes in (("iemocap", (5162, 737, 1481)), ("cmu_mosei", (14524, 1765, 4188))):
        capsys.readouterr()
        assert main(["audit", "--splits", str(real_data / "mesm_splits" / corpus), "--corpus", corpus, "--json"]) == 0
        splits = json.loads(capsys.readouterr().out)["splits"]
        assert tuple(splits[split]["utterances"] for split in SPLITS) == sizes
        assert splits["all"]["utterances"] == {"iemocap": 7380, "cmu_mosei": 20477}[corpus]


def test_where_every_row_is_left_out_the_rules_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ravdess(tmp_path / "raw")
    for path in root.rglob("*-*"):
        path.write_bytes(b"")
    capsys.readouterr()
    assert main(["prepare", "ravdess", str(root), str(tmp_path / "out")]) == 2
    assert "every row is left out: the media file is empty (6); sung, not spoken (1)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def folder_contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", TREES)
def test_a_dry_run_tells_the_truth_and_writes_nothing(
    kind: str,
    clean: Callable[[str], Path],
    trees: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = PreparedDataset.open(clean(kind)).facts
    before = folder_contents(trees(kind))
    capsys.readouterr()
    assert main(["prepare", kind, str(trees(kind)), str(tmp_path / "out"), "--dry-run", *OPTIONS.get(kind, ())]) == 0
    shown = capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert folder_contents(trees(kind)) == before
    sizes = ", ".join(f"{split} {facts.rows(split)}" for split in SPLITS)
    assert (
        f"{facts.rows_out} of {facts.rows_in} utterances of {kind} would be prepared in {tmp_path / 'out'} ({sizes})"
        in shown
    )
    for rule, count in Counter(row["reason"] for row in records(clean(kind))).items():
        assert f"{count}  {rule}: " in shown


def test_a_dry_run_of_broken_media_names_them(
    trees: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(trees("ravdess"), tmp_path / "raw")
    (root / "Actor_24" / "03-01-05-02-02-02-24.wav").write_bytes(b"no sound")
    capsys.readouterr()
    assert main(["prepare", "ravdess", str(root), str(tmp_path / "out"), "--dry-run"]) == 0
    assert "1 media files are missing or cannot be read" in capsys.readouterr().out


def test_a_trial_has_something_of_every_split(
    trees: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepared("cmu_mosei", trees("cmu_mosei"), tmp_path / "out", "--limit", "4", "--split", "video")
    dataset = PreparedDataset.open(folder)
    assert [len(dataset.split(split)) for split in SPLITS].count(0) == 0
    assert dataset.facts.rows_out == 4
    assert dataset.facts.limited_from == 6
    assert "a trial: the corpus has 6 utterances" in capsys.readouterr().out
    assert "This is a trial" in (folder / "README.md").read_text()


def test_an_archive_is_prepared_as_its_folder_is(
    trees: Callable[[str], Path], clean: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "RAVDESS.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(trees("ravdess").rglob("*.[mw][pa][4v]")):
            packed.write(path, path.relative_to(trees("ravdess")))
    line = ["prepare", "ravdess", str(archive), str(tmp_path / "out"), "--workers", "0"]
    assert main([*line, "--dry-run"]) == 0
    assert f"RAVDESS.zip ({archive.stat().st_size / 1e6:.1f} MB) would be unpacked to" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RAVDESS.zip"]
    assert main(line) == 0
    assert columns(tmp_path / "out", "checksum") == columns(clean("ravdess"), "checksum")
    unpacked = {path: path.stat().st_mtime_ns for path in (tmp_path / "out.unpacked").rglob("*")}
    assert main(line) == 0  # neither unpacked nor prepared again
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out.unpacked").rglob("*")} == unpacked
    assert main([*line, "--dry-run"]) == 0
    assert "would be prepared" in capsys.readouterr().out


def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../out.txt", "outside")
    assert main(["prepare", "ravdess", str(archive), str(tmp_path / "out")]) == 2
    assert "the path leads out of the folder" in capsys.readouterr().err
    assert not list(tmp_path.rglob("out.txt"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--split sneaker", "did you mean 'speaker'?"),
        ("--split random:70/20/20", "three percentages that add up to 100"),
        ("--split random --splits lists", "give one of them"),
        ("--split leave-one-session-out", "needs a session"),
        ("--split leave-one-session-out --fold 3", "session 3 is not here; sessions with utterances: 1, 5"),
        ("--split leave-one-session-out --fold 1", "2 sessions are too few"),
        ("--fold 3 --split speaker", "folds are sessions"),
        ("--splits nowhere", "the folder of id lists does not exist"),
        ("--limit 0", "the limit is 0"),
        ("--targets all", "--targets"),
        ("--target majority", "did you mean '--targets'?"),
        ("--song", "unknown argument '--song'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: str, told: str, trees: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["prepare", "iemocap", str(trees("iemocap")), str(tmp_path / "out"), *words.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (error,) = [line for line in shown.err.splitlines() if not line.startswith("reading ")]
    assert error.startswith("mesmer: error: ")
    assert told in error
    assert list(tmp_path.iterdir()) == []


def test_the_options_of_the_readers_reach_them(
    trees: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def labels(*words: str) -> str:
        capsys.readouterr()
        assert main(["prepare", *words, str(tmp_path / "out"), "--dry-run"]) == 0
        return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("labels: "))

    iemocap, mosei = str(trees("iemocap")), str(trees("cmu_mosei"))
    assert "excitement 1" in labels("iemocap", iemocap)
    assert "excitement" not in labels("iemocap", iemocap, "--merge-excited")
    assert "happiness 2" in labels("iemocap", iemocap, "--merge-excited")
    assert "excitement 2" in labels("iemocap", iemocap, "--targets", "multi")
    assert "happiness 3" in labels("cmu_mosei", mosei, "--labels", "csv", "--scores", "soft")
    intended, voted = (labels("crema_d", str(trees("crema_d")), "--labels", how) for how in ("intended", "votes"))
    assert "neutral 1" in intended
    assert "neutral 4" in voted  # each performance has somebody who took it so
    assert "neutral 2" in labels("crema_d", str(trees("crema_d")), "--labels", "votes", "--rated", "face")
    assert "happiness" in labels("ravdess", str(trees("ravdess")))
    assert labels("ravdess", str(trees("ravdess"))) != labels("ravdess", str(trees("ravdess")), "--song")
    assert main(["prepare", "cmu_mosei", mosei, str(tmp_path / "out"), "--labels", "csd", "--dry-run"]) == 2
    folder = prepared("iemocap", trees("iemocap"), tmp_path / "soft", "--targets", "soft", "--limit", "2")
    assert dict(PreparedDataset.open(folder).facts.options) == {"targets": "soft"}
    assert "| `targets` of the reader | soft |" in (folder / "README.md").read_text()


def test_folds_hold_out_one_session_after_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = iemocap_tree(tmp_path / "raw")
    for session in (2, 4):  # sessions 1, 2, 4 and 5 are there then
        for path in sorted((root / "Session5").rglob("Ses05*")):
            copy = Path(str(path).replace("Session5", f"Session{session}").replace("Ses05", f"Ses0{session}"))
            copy.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes()
            copy.write_bytes(data.replace(b"Ses05", f"Ses0{session}".encode()) if path.suffix == ".txt" else data)
    for fold, valid in ((1, 2), (2, 4), (4, 5), (5, 1)):
        out = tmp_path / f"fold{fold}"
        line = ["prepare", "iemocap", str(root), str(out), "--split", "leave-one-session-out", "--fold", str(fold)]
        assert main([*line, "--workers", "0"]) == 0
        dataset = PreparedDataset.open(out)
        sessions = {split: {name[:5] for name in dataset.split(split).ids} for split in SPLITS}
        everything = {"Ses01", "Ses02", "Ses04", "Ses05"}
        assert sessions["test"] == {f"Ses0{fold}"}
        assert sessions["valid"] == {f"Ses0{valid}"}
        assert sessions["train"] == everything - sessions["test"] - sessions["valid"]
        capsys.readouterr()
        assert main(["audit", str(out), "--json"]) == 0
        kinds = {finding["kind"] for finding in json.loads(capsys.readouterr().out)["findings"]}
        assert not {kind for kind in kinds if kind.startswith("leak_")}
        assert f"session {fold} is the test" in (out / "README.md").read_text()
