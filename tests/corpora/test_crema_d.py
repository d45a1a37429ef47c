"""CREMA-D: intended emotions from the names, votes from the table, and each planted fault reported once."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import Damage, damages, records_or_one_error
from hypothesis import HealthCheck, given, settings
from raw_trees import CREMA_D_NAMES, placeholder, replace_once, write_crema_d, write_text

from mesmer.corpora import crema_d
from mesmer.corpora.crema_d import CREMA_D_EMOTIONS, read_actors, read_crema_d, read_votes
from mesmer.errors import ConfigError, DataError


def votes(root: Path) -> Path:
    return root / "processedResults" / "tabulatedVotes.csv"


def actors(root: Path) -> Path:
    return root / "VideoDemographics.csv"


def test_intended_emotions(tmp_path: Path) -> None:
    corpus = read_crema_d(write_crema_d(tmp_path))
    assert [(u.id, u.speaker, u.text, u.labels) for u in corpus.utterances] == [
        ("1001_IEO_HAP_LO", "1001", "It's eleven o'clock.", {"happiness": 1.0}),
        ("1001_IEO_NEU_XX", "1001", "It's eleven o'clock.", {"neutral": 1.0}),
        ("1040_ITH_SAD_X", "1040", "I think I have a doctor's appointment.", {"sadness": 1.0}),
        ("1091_WSI_DIS_XX", "1091", "We'll stop in a couple of minutes.", {"disgust": 1.0}),
    ]
    assert corpus.emotions == CREMA_D_EMOTIONS
    assert corpus.left_out == ()
    for u in corpus.utterances:
        assert u.media == str(tmp_path / "VideoFlash" / f"{u.id}.flv")
        assert u.sound == str(tmp_path / "AudioWAV" / f"{u.id}.wav")


@pytest.mark.parametrize(
    ("rated", "expected"),
    [
        ("voice", {"happiness": 1 / 3, "neutral": 2 / 3}),
        ("face", {"happiness": 1.0}),
        ("both", {"happiness": 0.5, "neutral": 0.5}),
    ],
)
def test_votes_as_soft_labels(tmp_path: Path, rated: crema_d.Rated, expected: dict[str, float]) -> None:
    corpus = read_crema_d(write_crema_d(tmp_path), labels="votes", rated=rated)
    labels = {u.id: u.labels for u in corpus.utterances}
    assert labels["1001_IEO_HAP_LO"] == pytest.approx(expected)
    assert set(labels) == set(CREMA_D_NAMES)  # also the one whose sound file ends in _X
    assert all(sum((found or {}).values()) == pytest.approx(1) for found in labels.values())


@pytest.mark.parametrize(("gone", "kept"), [("VideoFlash", "AudioWAV"), ("AudioWAV", "VideoFlash")])
def test_one_folder_alone(tmp_path: Path, gone: str, kept: str) -> None:
    shutil.rmtree(write_crema_d(tmp_path) / gone)
    corpus = read_crema_d(tmp_path)
    assert len(corpus) == len(CREMA_D_NAMES)
    assert corpus.left_out == ()
    assert {Path(u.media).parent.name for u in corpus.utterances} == {kept}
    assert {u.sound for u in corpus.utterances} == {None}


def test_faults_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    root = write_crema_d(tmp_path)
    picture, sound = root / "VideoFlash", root / "AudioWAV"
    for name in (
        "1001_XXX_ANG_XX",
        "1001_DFA_ANG_QQ",
        "1001_DFA_JOY_XX",
        "DFA_ANG_XX",
        "1002_DFA_ANG_XX",
        "1001_TAI_FEA_HI",
    ):
        placeholder(picture / f"{name}.flv")
        placeholder(sound / f"{name}.wav")
    (picture / "1001_IEO_NEU_XX.flv").unlink()
    (sound / "1091_WSI_DIS_XX.wav").unlink()
    (sound / "1040_ITH_SAD_X.wav").write_bytes(b"")
    corpus = read_crema_d(root, labels="votes")
    assert {row.id: (row.rule, Path(row.file)) for row in corpus.left_out} == {
        "1001_XXX_ANG_XX": ("the sentence 'XXX' in the name is unknown", picture / "1001_XXX_ANG_XX.flv"),
        "1001_DFA_ANG_QQ": ("the level 'QQ' in the name is unknown", picture / "1001_DFA_ANG_QQ.flv"),
        "1001_DFA_JOY_XX": ("the emotion 'JOY' in the name is unknown", picture / "1001_DFA_JOY_XX.flv"),
        "DFA_ANG_XX": (crema_d.NOT_A_NAME, picture / "DFA_ANG_XX.flv"),
        "1002_DFA_ANG_XX": (crema_d.UNKNOWN_ACTOR, actors(root)),
        "1001_TAI_FEA_HI": (crema_d.NO_VOTES, votes(root)),
        "1001_IEO_NEU_XX": ("no picture file", picture / "1001_IEO_NEU_XX.flv"),
        "1091_WSI_DIS_XX": ("no sound file", sound / "1091_WSI_DIS_XX.wav"),
        "1040_ITH_SAD_X": ("the media file is empty", sound / "1040_ITH_SAD_X.wav"),
    }
    assert [u.id for u in corpus.utterances] == ["1001_IEO_HAP_LO"]


FAULTS: list[tuple[Callable[[Path], Path], str, str, str, str]] = [
    (votes, '"numResponses"', '"responses"', "line 1, header", "did you mean"),
    (votes, '"100002",0,0,0,3', '"100002",0,0,0,4', "line 3, numResponses", "10 votes where 9 are named"),
    (votes, '"100002",0,0,0,3', '"100002",0,0,0,three', "line 3, H", "'three' is not a number"),
    (votes, '"100002",0,0,0,3', '"100002",0,0,0,2.5', "line 3, H", "not a whole number"),
    (votes, '"100002",', '"400002",', "line 3, number", "does not begin with 1, 2 or 3"),
    (votes, '8,"1040_ITH_SAD_XX",10,0.5,"N"\n"3000', '8,"1040_ITH_XXX_XX",10,0.5,"N"\n"3000', "line 12, fileName", "'XXX'"),
    (votes, '10,0,"1001_IEO_NEU_XX",11', '10,0,"1001_IEO_HAP_LO",11', "line 11, fileName", "before"),
    (votes, '10,0,"1001_IEO_NEU_XX",11', "10,0,11", "line 10, cells", "10 cells where the header has 11"),
    (actors, "1040,", "1001,", "line 3, ActorID", "the actor 1001 stands twice"),
    (actors, "1040,", "x,", "line 3, ActorID", "'x' is not a number"),
    (actors, '"Sex"', '"Gender"', "line 1, header", "the column 'Sex' is missing"),
]


@pytest.mark.parametrize(("place", "old", "new", "field", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_a_damaged_line_is_one_error_with_file_line_and_field(
    tmp_path: Path, place: Callable[[Path], Path], old: str, new: str, field: str, problem: str
) -> None:
    root = write_crema_d(tmp_path)
    replace_once(place(root), old, new)
    with pytest.raises(DataError) as caught:
        read_crema_d(root, labels="votes")
    assert (caught.value.file, caught.value.field) == (str(place(root)), field)
    assert problem in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder AudioWAV or VideoFlash: not found"):
        read_crema_d(tmp_path)
    (tmp_path / "AudioWAV").mkdir()
    with pytest.raises(DataError, match="no media file"):
        read_crema_d(tmp_path)
    placeholder(tmp_path / "AudioWAV" / "1001_IEO_NEU_XX.wav")
    assert len(read_crema_d(tmp_path)) == 1
    with pytest.raises(DataError, match=r"tabulatedVotes.csv: the file does not exist"):
        read_crema_d(tmp_path, labels="votes")
    with pytest.raises(ConfigError, match="labels is 'x'"):
        read_crema_d(tmp_path, labels="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="rated is 'x'"):
        read_crema_d(tmp_path, rated="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [votes, actors])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_any_damage_gives_records_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, place: Callable[[Path], Path], damage: Damage
) -> None:
    root = tmp_path_factory.getbasetemp() / f"crema-{place.__name__}"
    valid = root.with_suffix(".valid")
    if not valid.exists():
        write_crema_d(root)
        valid.write_bytes(place(root).read_bytes())
    place(root).write_bytes(damage(valid.read_bytes()))
    records_or_one_error(lambda: read_crema_d(root, labels="votes"), place(root))


@pytest.mark.parametrize("filler", ['"', ",", '",', "1"])
def test_time_is_linear_in_a_line_of_two_megabytes(tmp_path: Path, filler: str) -> None:
    root = write_crema_d(tmp_path)
    line = filler * (2**21 // len(filler))
    started = time.process_time()
    for text in (line, line[: 2**20]):
        write_text(votes(root), text)
        with pytest.raises(DataError, match="line 1, "):
            read_crema_d(root, labels="votes")
    assert time.process_time() - started < 2


def test_the_real_tables(real_data: Path) -> None:
    folder = real_data / "crema_d"
    if not folder.is_dir():
        pytest.skip("no CREMA-D tables in the folder of real recordings")
    assert len(read_actors(folder / "VideoDemographics.csv")) == 91
    with (folder / "SentenceFilenames.csv").open() as file:
        names = [row["Filename"] for row in csv.DictReader(file)]
    for rated in ("voice", "face", "both"):
        shares = read_votes(folder / "tabulatedVotes.csv", rated=rated)  # type: ignore[arg-type]
        assert sorted(shares) == sorted(names)
        assert all(sum(found.values()) == pytest.approx(1) for found in shares.values())


def test_every_real_name_becomes_an_utterance(real_data: Path, tmp_path: Path) -> None:
    """All 7,442 published names as placeholder recordings, with the real tables."""
    folder = real_data / "crema_d"
    if not folder.is_dir():
        pytest.skip("no CREMA-D tables in the folder of real recordings")
    for table in ("VideoDemographics.csv", "tabulatedVotes.csv"):
        shutil.copyfile(folder / table, tmp_path / table)
    (tmp_path / "AudioWAV").mkdir()
    with (folder / "SentenceFilenames.csv").open() as file:
        for row in csv.DictReader(file):
            (tmp_path / "AudioWAV" / f"{row['Filename']}.wav").write_bytes(b"\1")
    corpus = read_crema_d(tmp_path, labels="votes")
    assert (len(corpus), corpus.left_out) == (7442, ())
    assert len({u.speaker for u in corpus.utterances}) == 91
