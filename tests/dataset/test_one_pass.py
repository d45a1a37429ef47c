"""A source is gone through once for all its utterances, and each clip is, to the bit, what it is alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_parts import MadeReader, same_clip

from media.making import write_media
from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.dataset.clip import make_clip, make_clips
from mesmer.dataset.passes import MAX_OPEN, MAX_SOUND_FILES, passes
from mesmer.dataset.plan import PlannedRow
from mesmer.dataset.prepare import prepare
from mesmer.dataset.prepared import PreparedDataset
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import MediaError
from mesmer.media import pictures, sound
from mesmer.media.limits import Limits
from mesmer.media.reader import MediaReader
from mesmer.media.session import answers
from mesmer.media.source import MediaFile
from mesmer.media.stretch import Stretch
from mesmer.records import Clip, Utterance
from mesmer.signals.mtcnn import FaceDetector
from signals.drawn_face import picture_with

SETTINGS = PrepareSettings(frame_interval_s=0.8, min_face_px=50)
SECONDS = 16


def scenes() -> list[np.ndarray]:
    """Two people side by side who move, each in a way of their own; no two pictures are the same."""
    drawn = [
        picture_with(((80 + 20 * np.sin(k), 110), 70 + 2 * k), ((240, 120 + 15 * np.cos(k)), 80 - k)) for k in range(10)
    ]
    return [np.clip(drawn[k % 10].astype(int) + k // 10, 0, 255).astype(np.uint8) for k in range(SECONDS * 5)]


def voices(rate_hz: int) -> np.ndarray:
    """Left and right differ, and everything differs everywhere."""
    times = np.arange(SECONDS * rate_hz) / rate_hz
    noise = np.random.default_rng(3).normal(0, 0.02, (2, len(times)))
    return noise + np.stack([0.3 * np.sin(2 * np.pi * (200 + 30 * times) * times), 0.2 * np.sin(900 * times**1.5)])


KINDS: dict[str, dict[str, Any]] = {
    "mp4": {"audio_codec": "aac", "rate_hz": 44_100, "video_options": {"g": "30", "bf": "3"}},
    "avi": {"video_codec": "mpeg4", "audio_codec": "pcm_s16le", "rate_hz": 16_000, "video_time_base": Fraction(1, 5)},
    "mkv": {"audio_codec": "libopus", "rate_hz": 48_000, "video_options": {"g": "12"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each kind, one of them damaged in the middle, and two microphones."""
    made, shown = tmp_path_factory.mktemp("sources"), scenes()
    for kind, how in KINDS.items():
        write_media(made / f"a.{kind}", pictures=shown, fps=5, sound=voices(how["rate_hz"]), layout="stereo", **how)
    for name, rate_hz in (("one.wav", 44_100), ("two.wav", 22_050)):
        write_media(made / name, sound=voices(rate_hz), rate_hz=rate_hz, layout="stereo")
    data = bytearray((made / "a.mp4").read_bytes())
    for place in np.random.default_rng(0).integers(len(data) // 4, len(data) * 3 // 4, 60):
        data[place] ^= 255
    (made / "damaged.mp4").write_bytes(data)
    return made


@pytest.fixture(scope="module")
def parts() -> Iterator[tuple[MediaReader, FaceDetector]]:
    with MediaReader() as reader:
        yield reader, FaceDetector(min_face_px=SETTINGS.min_face_px)


def utterances(media: Path, sounds: Path) -> list[Utterance]:
    """Overlapping, in no order, of both people, from several microphones, and some that cannot be."""
    one, two = str(sounds / "one.wav"), str(sounds / "two.wav")
    asked: list[dict[str, Any]] = [
        {"start_s": 9.3, "end_s": 12.05, "region": "right", "channel": "right"},
        {"start_s": 1.0, "end_s": 4.52, "region": "left", "channel": "left"},
        {"start_s": 3.1, "end_s": 10.0},
        {"start_s": 3.1, "end_s": 10.0, "sound": one, "channel": "left"},
        {"end_s": 0.7, "sound": two},
        {"start_s": 12.5, "sound": one, "region": "right"},
        {"start_s": 11.0, "end_s": 11.01},
        {},
        {"start_s": 15.5, "end_s": 16.3},
        {"start_s": 15.0, "end_s": 29.0},
        {"start_s": 40.0},
        {"start_s": 5.0, "end_s": 5.0},
        {"start_s": 6.0, "end_s": 7.0, "sound": str(sounds / "none.wav")},
        {"start_s": 2.0, "end_s": 3.0, "sound": two, "channel": "right"},
    ]
    return [
        Utterance(id=f"u{n:02d}", corpus="c", media=str(media), text=f"words {n}", labels={"fear": 1.0}, **what)
        for n, what in enumerate(asked)
    ]


def said(error: MediaError) -> tuple[Any, ...]:
    return error.kind, error.file, error.field, error.message


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "damaged.mp4", "none.mp4"])
def test_together_and_alone_are_the_same_to_the_bit(
    folder: Path, parts: tuple[MediaReader, FaceDetector], name: str
) -> None:
    reader, detector = parts
    asked = utterances(folder / name, folder)
    together = dict(make_clips(asked, reader=reader, detector=detector, settings=SETTINGS))
    assert sorted(together) == list(range(len(asked)))
    clips = 0
    for place, utterance in enumerate(asked):
        made = together[place]
        if isinstance(made, Clip):
            alone = make_clip(utterance, reader=reader, detector=detector, settings=SETTINGS)
            assert same_clip(made, alone), utterance
            clips += 1
        else:
            with pytest.raises(MediaError) as caught:
                make_clip(utterance, reader=reader, detector=detector, settings=SETTINGS)
            assert said(made) == said(caught.value), utterance
    assert clips == (0 if name == "none.mp4" else 10)
    if name == "damaged.mp4":
        warnings = [warning for made in together.values() if isinstance(made, Clip) for warning in made.warnings]
        assert any("damaged" in warning for warning in warnings)  # or the damage was none


def test_the_file_is_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what is decoded for twenty stretches, in this process."""
    counts = {"pictures": 0, "sound": 0}

    def counting(name: str, real: Any) -> Any:
        def decoded(*arguments: Any, **keywords: Any) -> Any:
            for frame in real(*arguments, **keywords):
                counts[name] += frame is not None
                yield frame

        return decoded

    def decode(stretches: list[Stretch]) -> dict[str, int]:
        counts.update(pictures=0, sound=0)
        path = folder / "a.mp4"
        descriptor = os.open(path, os.O_RDONLY)
        try:
            file = MediaFile(descriptor=descriptor, size_bytes=path.stat().st_size, container="mov", limits=Limits())
            ends = [header for header, _ in answers(file, stretches, seek=False) if header["answer"] == "end"]
        finally:
            os.close(descriptor)
        assert len(ends) == len(stretches)
        return dict(counts)

    monkeypatch.setattr(pictures, "decoded", counting("pictures", pictures.decoded))
    monkeypatch.setattr(sound, "decoded", counting("sound", sound.decoded))
    whole = decode([Stretch()])
    many = decode([Stretch(start_s=0.7 * n, end_s=0.7 * n + 2.0) for n in range(20)])
    assert many["pictures"] <= whole["pictures"]
    assert many["sound"] <= whole["sound"]


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Every row of a prepared dataset, all columns with the checksum, by id."""
    dataset = PreparedDataset.open(folder)
    found = {}
    for name in ("train", "valid", "test"):
        split = dataset.split(name)
        for row in range(len(split)):
            table, place, _ = split._shards.group_of(row)
            found[split.ids[row]] = {column: table.column(column)[place] for column in table.column_names}
    return found


def test_rows_of_a_prepared_source_are_those_of_each_utterance_alone(folder: Path, tmp_path: Path) -> None:
    asked = [replace(one, split="train") for one in utterances(folder / "a.mp4", folder) if one.id < "u05"]
    corpus = Corpus(name="c", emotions=SIX_EMOTIONS, utterances=tuple(asked), root=folder)
    prepare(corpus, tmp_path / "all", settings=SETTINGS, workers=0)
    together = rows_of(tmp_path / "all")
    assert sorted(together) == [one.id for one in asked]
    for one in asked:
        prepare(replace(corpus, utterances=(one,)), tmp_path / one.id, settings=SETTINGS, workers=0)
        assert rows_of(tmp_path / one.id) == {one.id: together[one.id]}


def rows(*asked: tuple[float | None, float | None, str | None]) -> list[PlannedRow]:
    return [
        PlannedRow(
            place=place,
            utterance=Utterance(id=str(place), corpus="c", media="m", start_s=start_s, end_s=end_s, sound=sound_file),
            media="m",
            sound_media=sound_file,
        )
        for place, (start_s, end_s, sound_file) in enumerate(asked)
    ]


def test_utterances_go_in_one_pass_unless_too_many_go_on_at_once() -> None:
    lively = rows(*((float(n // 4), n // 4 + 2.0, None) for n in range(400)))  # eight at a time
    assert [len(one) for one in passes(lively)] == [400]
    crowd = rows(*((None, None, None) for _ in range(3 * MAX_OPEN - 1)))
    assert [len(one) for one in passes(crowd)] == [MAX_OPEN, MAX_OPEN, MAX_OPEN - 1]
    microphones = rows(*((float(n), n + 0.5, f"{n % 6}.wav") for n in range(60)))
    parted = passes(microphones)
    assert len(parted) == 2
    for one in parted:
        uses = {
            row.utterance.sound: [r.utterance.start_s for r in one if r.utterance.sound == row.utterance.sound]
            for row in one
        }
        for row in one:
            going_on = [name for name, starts in uses.items() if min(starts) <= row.utterance.start_s <= max(starts)]
            assert len(going_on) <= MAX_SOUND_FILES
    apart = rows(*((float(n), n + 0.5, f"{n}.wav") for n in range(60)))  # a file for each, one after the other
    assert [len(one) for one in passes(apart)] == [60]
    for made, asked in ((passes(lively), lively), (parted, microphones)):
        assert sorted(row.place for one in made for row in one) == [row.place for row in asked]


def test_a_reader_of_made_files_is_like_a_real_one() -> None:
    """What the other tests of this folder stand on."""
    assert set(vars(MadeReader)) & set(vars(MediaReader)) >= {"stretches", "another", "close"}
