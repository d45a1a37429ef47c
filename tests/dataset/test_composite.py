"""The composite corpus: who plays in it, what changes, what tells no label, and that nothing is in two splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_parts import contents

from mesmer.dataset.audit import audit_dataset
from mesmer.dataset.composite.build import NOTE, PARTS_FILE, Composite
from mesmer.dataset.composite.faces import moving_faces
from mesmer.dataset.composite.form import MOST_STILLS, STATES, Motion, Recording, draw_form
from mesmer.dataset.composite.independence import check_independence
from mesmer.dataset.composite.voices import recorded_voice, spoken_part
from mesmer.dataset.loading import PreparedDataset
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError, DataError, MesmerError
from mesmer.records import MODALITIES, SPLITS, Clip, Utterance
from one_modality import SEVEN_EMOTIONS, clip_of, draw_still, make_source, make_sources

SIZE = 100


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = make_sources(tmp_path_factory.mktemp("sources"), each=4)
    return {"text": made["words"], "audio": made["voices"], "visual": made["faces"]}


@pytest.fixture(scope="module")
def composite(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("composite") / "data"
    Composite(folders, size=SIZE, seed=4).prepare(out, workers=0)
    return out


def parts_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / PARTS_FILE).read_text().splitlines()]


def test_every_part_shows_what_the_rule_says(composite: Path, folders: dict[str, Path]) -> None:
    sources = {modality: PreparedDataset.open(folder) for modality, folder in folders.items()}
    dataset = PreparedDataset.open(composite, verify=True)
    carried = {
        (modality, split, name): {e for e, s in zip(part.emotions, part.labels[row], strict=True) if s > 0}
        & set(SIX_EMOTIONS)
        for modality, source in sources.items()
        for split in SPLITS
        for part in [source.split(split)]
        for row, name in enumerate(part.ids)
    }
    rows = {(split, name): row for split in SPLITS for row, name in enumerate(dataset.split(split).ids)}
    seen_states = set()
    for part in parts_of(composite):
        name, states, labels = str(part["id"]), part["states"], set(part["labels"])  # type: ignore[call-overload]
        split = name.rpartition("-")[0]
        row = rows.pop((split, name))
        whole = dataset.split(split)
        assert {e for e, s in zip(SIX_EMOTIONS, whole.labels[row], strict=True) if s} == labels
        clip = whole[row]
        for modality in MODALITIES:
            state = states[modality]  # type: ignore[index]
            seen_states.add((modality, state))
            used = [carried[modality, split, one] for one in part[modality]]  # type: ignore[attr-defined]
            assert (not used) == (state == "absent") == (modality in clip.absent)
            if state == "neutral" or not labels:
                assert not any(used)
            elif state == "shown" and modality == "text":
                assert used == [labels]
            elif state == "shown":
                assert all(one <= labels for one in used)
                assert any(used)
        assert any(states[modality] == "shown" for modality in MODALITIES)  # type: ignore[index]
    assert not rows
    assert seen_states == {(modality, state) for modality in MODALITIES for state in STATES}


def test_no_source_is_in_two_splits_and_the_audit_agrees(composite: Path) -> None:
    used: dict[tuple[str, str], str] = {}
    for part in parts_of(composite):
        split = str(part["id"]).rpartition("-")[0]
        for modality in MODALITIES:
            for one in part[modality]:  # type: ignore[attr-defined]
                assert used.setdefault((modality, one), split) == split
    audit = audit_dataset(composite)
    assert not [finding for finding in audit.findings if finding.severity == "error"]
    assert [finding.sentence for finding in audit.findings if finding.kind == "about"] == [NOTE]
    assert NOTE in (composite / "README.md").read_text()


def test_the_same_whatever_the_workers_and_after_a_stop(
    composite: Path, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mesmer.dataset.composite import making

    real = making.stored_row
    made = 0

    def dies(*arguments: object) -> object:
        nonlocal made
        made += 1
        if made > 60:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(making, "stored_row", dies)
    with pytest.raises(KeyboardInterrupt):
        Composite(folders, size=SIZE, seed=4).prepare(tmp_path / "stopped", workers=0)
    monkeypatch.setattr(making, "stored_row", real)
    Composite(folders, size=SIZE, seed=4).prepare(tmp_path / "stopped", workers=2)
    assert contents(tmp_path / "stopped") == contents(composite)
    (composite / PARTS_FILE).unlink()  # a stop may have struck before it was written
    Composite(folders, size=SIZE, seed=4).prepare(composite, workers=0)
    assert contents(tmp_path / "stopped") == contents(composite)
    with pytest.raises(MesmerError, match="another corpus"):
        Composite(folders, size=SIZE, seed=5).prepare(composite, workers=0)


def test_outlook_tells_what_comes_and_how_large(composite: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    outlook = Composite(folders, size=SIZE, seed=4).outlook()
    dataset = PreparedDataset.open(composite)
    assert outlook.sizes == {split: len(dataset.split(split)) for split in SPLITS} == {"train": 80, "valid": 10, "test": 10}
    size = sum(file.stat().st_size for file in composite.glob("*.parquet"))
    assert size / 1.5 < outlook.bytes < size * 1.5
    labels = np.concatenate([dataset.split(split).labels for split in SPLITS])
    assert [outlook.labels[name] for name in SIX_EMOTIONS] == labels.sum(axis=0).astype(int).tolist()
    assert outlook.labels["none"] == int((labels == 0).all(axis=1).sum())
    with pytest.raises(ConfigError, match="--size"):
        Composite(folders, size=3)


def test_nothing_of_the_form_tells_the_labels(folders: dict[str, Path]) -> None:
    many = Composite(folders, size=2400, seed=1)
    found = many.independence()
    assert found.holds, found.words
    assert found.tests > 150
    drawn = list(many._drawn.values())
    labels = {"anger": np.array(["anger" in cast.labels for _, cast in drawn])}
    # The same check finds a length that is a little longer, and a voice a little more often missing, in anger.
    duration = np.array([form.duration_s for form, _ in drawn])
    assert not check_independence({"duration": duration + 0.4 * labels["anger"]}, labels).holds
    missing = np.array([float(form.states["audio"] == "absent") for form, _ in drawn])
    chosen = labels["anger"] & (np.arange(len(drawn)) % 8 == 0)
    assert not check_independence({"missing": np.maximum(missing, chosen)}, labels).holds
    with pytest.raises(DataError, match="do not vary"):
        check_independence({"same": np.zeros(len(drawn))}, labels)


def test_the_check_is_as_often_wrong_as_it_says() -> None:
    rng = np.random.default_rng(0)
    p = [check_independence({"x": rng.normal(size=300)}, {"e": rng.random(300) < 0.3}).least_p for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09
    assert np.min(p) > 0.0001


@given(seed=st.integers(0, 2**32), number=st.integers(0, 10**6), split=st.sampled_from(SPLITS))
@settings(max_examples=60, deadline=None)
def test_forms_are_bounded_and_drawn_by_their_number_alone(seed: int, number: int, split: str) -> None:
    form = draw_form(seed=seed, split=split, number=number, frame_interval_s=0.5)
    again = draw_form(seed=seed, split=split, number=number, frame_interval_s=0.5)
    assert form.measures() == again.measures()
    steps = form.still_of_step
    assert 3 <= len(steps) <= 8
    assert sorted(set(steps.tolist())) == list(range(len(form.informative)))
    assert (np.diff(steps) >= 0).all()
    assert len(form.informative) <= MOST_STILLS
    assert any(form.informative)
    assert "shown" in form.states.values()
    other = draw_form(seed=seed, split=split, number=number + 1, frame_interval_s=0.5)
    assert other.measures() != form.measures()


def test_states_are_drawn_as_often_as_they_say() -> None:
    states = [draw_form(seed=2, split="train", number=n, frame_interval_s=0.5).states for n in range(3000)]
    hidden = 1 - STATES["shown"]
    share = STATES["absent"] * (1 - hidden**2) / (1 - hidden**3)  # given that something is shown
    for modality in MODALITIES:
        found = np.mean([state[modality] == "absent" for state in states])
        assert found == pytest.approx(share, abs=4 * (share * (1 - share) / len(states)) ** 0.5)


def still_motion(**changes: float) -> Motion:
    measures = ("right_px", "down_px", "turn_deg", "scale", "brightness", "contrast")
    return Motion(mirrored=False, waves={name: (changes.get(name, 0.0), 0.0, 0.1, 0.0) for name in measures})


def test_faces_move_as_they_are_told() -> None:
    face = draw_still(np.random.default_rng(0), "happiness")

    def moved(motion: Motion, time_s: float = 0.0) -> np.ndarray:
        return moving_faces([face], still_of_step=np.array([0]), times_s=np.array([time_s]), motion=motion)[0]

    assert np.array_equal(moved(still_motion()), face)
    assert np.array_equal(moved(still_motion(right_px=2, down_px=1))[1:, 2:], face[:-1, :-2])
    assert np.array_equal(moved(still_motion(turn_deg=180)), face[::-1, ::-1])
    brighter = moved(still_motion(brightness=10))
    assert np.array_equal(brighter, np.minimum(face.astype(int) + 10, 255))
    assert np.abs(moved(still_motion(scale=np.log(2))).astype(float)[24, 24] - face[24, 24]).max() < 40
    mirrored = Motion(mirrored=True, waves=still_motion().waves)
    assert np.array_equal(moved(mirrored), face[:, ::-1])
    swinging = Motion(mirrored=False, waves={**still_motion().waves, "right_px": (0.0, 3.0, 0.25, 0.0)})
    assert np.array_equal(moved(swinging, 1.0)[:, 3:], face[:, :-3])  # a quarter of a swing later


def recording(**changes: object) -> Recording:
    plain = {"speed": 1.0, "level_db": -20.0, "snr_db": 60.0, "noise_slope": 0.0, "lowest_hz": None, "highest_hz": None}
    return Recording(**(plain | {"place": 0.5} | changes))  # type: ignore[arg-type]


def test_voices_are_recorded_as_they_are_told() -> None:
    time_s = np.arange(16_000) / 16_000
    tone = np.concatenate([np.zeros(8000), 0.3 * np.sin(2 * np.pi * 1000 * time_s), np.zeros(8000)]).astype(np.float32)
    assert 16_000 <= len(spoken_part(tone)) <= 16_000 + 2 * 1200

    def heard(duration_s: float = 2.0, **changes: object) -> np.ndarray:
        return recorded_voice(tone, duration_s=duration_s, recording=recording(**changes), rng=np.random.default_rng(1))

    def pitch_hz(sound: np.ndarray) -> float:
        return float(np.abs(np.fft.rfft(sound)).argmax() * 16_000 / len(sound))

    assert len(heard(3.0)) == 48_000
    assert len(heard(0.5)) == 8000
    assert pitch_hz(heard()) == pytest.approx(1000, abs=3)
    assert pitch_hz(heard(speed=1.1)) == pytest.approx(1100, abs=3)
    middle = heard()[12_000:20_000]
    assert 20 * np.log10(np.sqrt(np.mean(np.square(middle)))) == pytest.approx(-20, abs=1)
    early, late = heard(3.0, place=0.0), heard(3.0, place=1.0)
    assert np.abs(early[:16_000]).mean() > 50 * np.abs(early[-16_000:]).mean()
    assert np.abs(late[-16_000:]).mean() > 50 * np.abs(late[:16_000]).mean()
    noisy = heard(3.0, place=0.0, snr_db=20.0)[-16_000:]
    assert 20 * np.log10(np.sqrt(np.mean(np.square(noisy)))) == pytest.approx(-40, abs=1)
    assert np.abs(heard(highest_hz=250.0)).max() < 0.2 * np.abs(heard()).max()
    assert np.abs(heard(lowest_hz=4000.0)).max() < 0.2 * np.abs(heard()).max()
    silence = recorded_voice(np.zeros(0, np.float32), duration_s=1.5, recording=recording(), rng=np.random.default_rng(0))
    assert len(silence) == 24_000
    assert np.isfinite(silence).all()


def _sentence(utterance: Utterance) -> Clip:
    return clip_of(
        utterance, text=f"number {utterance.id.replace('valid', 'train') if '-0' in utterance.id else utterance.id}"
    )


def test_what_stands_in_an_earlier_split_is_not_used_in_a_later_one(folders: dict[str, Path], tmp_path: Path) -> None:
    make_source(tmp_path / "words", name="words", emotions=SEVEN_EMOTIONS, make=_sentence, each=3)
    made = Composite({**folders, "text": tmp_path / "words"}, size=40)
    assert made.outlook().left_out["text"] == {"the same content is in an earlier split": len(SEVEN_EMOTIONS)}
    made.prepare(tmp_path / "out", workers=0)
    assert not [part for part in parts_of(tmp_path / "out") if "-0" in str(part["text"]) and "valid" in str(part["text"])]


def test_sources_that_cannot_serve_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    five = tuple(name for name in SEVEN_EMOTIONS if name != "fear")
    make_source(tmp_path / "five", name="words", emotions=five, make=_sentence, each=2)
    with pytest.raises(DataError, match="lacks 'fear'"):
        Composite({**folders, "text": tmp_path / "five"})
    make_source(tmp_path / "none", name="words", emotions=SIX_EMOTIONS, make=_sentence, each=3)
    with pytest.raises(DataError, match="that can stand for 'none'"):
        Composite({**folders, "text": tmp_path / "none"})
    with pytest.raises(DataError, match="that can stand for 'anger'"):  # it has no voices at all
        Composite({**folders, "audio": folders["visual"]})
    make_source(tmp_path / "both", name="words", emotions=SEVEN_EMOTIONS, make=_sentence, each=2, person="train-x")
    with pytest.raises(DataError, match="not a prepared dataset"):
        Composite({**folders, "audio": tmp_path})
