"""From a video to who expressed what, when: held against the truth of drawn people, and against ``predict``."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from two_people import LEAVES, Video

import mesmer
from mesmer.analysis import Analysis, Analyzer
from mesmer.analysis.file_pass import FilePass
from mesmer.analysis.hearing import LoudnessHearing
from mesmer.analysis.judging import make_turn_clip
from mesmer.analysis.result import schema
from mesmer.analysis.transcripts import read_transcript_file
from mesmer.analysis.utterances import UtteranceSettings
from mesmer.dataset.clip import make_clip
from mesmer.errors import MediaError, MesmerError
from mesmer.models import LoadedModel
from mesmer.records import Utterance

IN_TIME_S = 0.3


def numbers(analysis: Analysis, video: Video) -> list[int]:
    """Return the number of the left and of the right one: who spoke most of each one's time."""
    best = []
    for side in (0, 1):
        shared = {person.number: 0.0 for person in analysis.people}
        for row in analysis.utterances:
            for turn in video.turns:
                if turn.person == side and row.person is not None:
                    shared[row.person] += max(0.0, min(row.end_s, turn.end_s) - max(row.start_s, turn.start_s))
        best.append(max(shared, key=lambda number: shared[number]))
    return best


def test_every_turn_is_found_in_time_with_the_right_face(two_people: Video, analyzed: Analysis) -> None:
    left_right = numbers(analyzed, two_people)
    assert left_right[0] != left_right[1]
    found = right = 0
    for turn in two_people.turns:
        rows = [
            row
            for row in analyzed.utterances
            if abs(row.start_s - turn.start_s) <= IN_TIME_S and abs(row.end_s - turn.end_s) <= IN_TIME_S
        ]
        found += bool(rows)
        right += any(row.person == left_right[turn.person] for row in rows)
    assert (found, right) == (len(two_people.turns), len(two_people.turns))
    assert len(analyzed.utterances) == len(two_people.turns)  # one row for each, and no more
    assert analyzed.complete
    assert analyzed.analyzed_s == pytest.approx(two_people.duration_s, abs=0.1)


def test_people_are_followed_through_their_absence(two_people: Video, analyzed: Analysis) -> None:
    assert len(analyzed.people) == 2
    left, right = (analyzed.people[number - 1] for number in numbers(analyzed, two_people))
    gone_s = sum(away.end_s - away.start_s for away in two_people.away)
    assert right.seen_s == pytest.approx(two_people.duration_s, abs=3.0)
    assert left.seen_s == pytest.approx(two_people.duration_s - gone_s, abs=3.0)
    for person in (left, right):
        assert person.thumbnail is not None
        assert person.thumbnail.shape == (48, 48, 3)


@pytest.mark.parametrize("words", [False, True])
def test_one_person_gets_the_probabilities_of_predict(
    one_person: Video, analyzer: Analyzer, words: bool, tmp_path: Path
) -> None:
    transcript = None
    if words:
        file = tmp_path / "said.srt"
        file.write_text(
            "".join(
                f"{n}\n{_srt(turn.start_s)} --> {_srt(turn.end_s)}\n{turn.text}\n\n"
                for n, turn in enumerate(one_person.turns, start=1)
            )
        )
        transcript = read_transcript_file(file)
    first = analyzer.analyze(one_person.path, transcript=transcript)
    told = analyzer.analyze(one_person.path, transcript=transcript)  # the same transcript may serve again
    assert [row.text for row in first.utterances] == [row.text for row in told.utterances]
    assert [row.text for row in told.utterances] == [turn.text if words else None for turn in one_person.turns]
    for row in told.utterances:
        alone = analyzer.predictor.predict(one_person.path, transcript=row.text, start_s=row.start_s, end_s=row.end_s)
        assert row.prediction is not None
        assert row.prediction.probabilities == alone.probabilities
        assert row.prediction.modality_shares == alone.modality_shares
        assert row.prediction.decisions == alone.decisions


def test_the_clip_of_a_turn_is_that_of_the_common_road(two_people: Video, analyzer: Analyzer) -> None:
    predictor = analyzer.predictor
    detector, prepare = predictor.detector, predictor.loaded.prepare
    reading = FilePass(
        two_people.path,
        reader=predictor.reader,
        sound_reader=analyzer.sound_reader,
        watch=analyzer.watch,
        prepare=prepare,
        hearing=analyzer.hearing,
        settings=UtteranceSettings(),
        progress=None,
    )
    alone = 0
    made = [
        (heard.turn, make_turn_clip(heard, facts=reading.facts, path=two_people.path, detector=detector, prepare=prepare))
        for group in reading
        for heard in group
    ]
    for turn, clip in made:
        utterance = Utterance(id="", corpus="", media=str(two_people.path), start_s=turn.start_s, end_s=turn.end_s)
        same = make_clip(utterance, reader=predictor.reader, detector=detector, settings=prepare)
        assert np.array_equal(clip.waveform, same.waveform)
        assert np.array_equal(clip.face_times_s, same.face_times_s)
        if same.people == 1:
            alone += 1
            assert np.array_equal(clip.faces, same.faces)
        middles = clip.face_boxes_px[:, [0, 2]].mean(axis=1)
        assert clip.face_found.all()
        assert np.ptp(middles) < 40  # one and the same face from frame to frame: the two sit 320 pixels apart
    assert alone >= 1


def test_the_result_follows_its_schema_and_is_json(analyzed: Analysis, two_people: Video, analyzer: Analyzer) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    value = json.loads(json.dumps(analyzed.to_json(), allow_nan=False))
    validator.validate(value)
    row = value["utterances"][0]
    assert sum(row["contributions"].values()) == pytest.approx(1)
    for emotion in row["emotions"].values():
        log_odds = sum(emotion["log_odds"].values()) + emotion["log_odds_offset"]
        assert emotion["probability"] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-5)
        assert emotion["expressed"] == (emotion["probability"] >= emotion["threshold"])
    value["utterances"][0]["person"] = "Ada"
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(value)
    assert "words were not read" in " ".join(analyzed.warnings)


def test_the_same_file_twice_gives_the_same_answers(two_people: Video, analyzed: Analysis, tiny_model: LoadedModel) -> None:
    def plain(analysis: Analysis) -> object:
        value = analysis.to_json()
        del value["cost"]
        for row in value["utterances"]:
            del row["cost"]
        return value

    told: list[tuple[float, float]] = []
    again = mesmer.analyze(two_people.path, model=tiny_model, progress=lambda done, of: told.append((done, of)))
    assert plain(again) == plain(analyzed)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 0.5 * two_people.duration_s
    assert told[-1][0] <= told[-1][1] == pytest.approx(two_people.duration_s, abs=0.1)


def test_what_is_done_is_kept_when_it_is_stopped(two_people: Video, analyzed: Analysis, analyzer: Analyzer) -> None:
    def stop(done: float, of: float) -> None:
        if done > 12:
            raise KeyboardInterrupt

    running = analyzer.open(two_people.path, progress=stop)
    with pytest.raises(KeyboardInterrupt):
        for _ in running:
            pass
    kept = running.result()
    assert not kept.complete
    assert 11 < kept.analyzed_s < 15
    assert 0 < len(kept.utterances) < len(analyzed.utterances)
    for row, full in zip(kept.utterances, analyzed.utterances, strict=False):
        assert (row.start_s, row.end_s, row.person) == (full.start_s, full.end_s, full.person)
        assert row.prediction is not None
        assert full.prediction is not None
        assert row.prediction.probabilities == full.prediction.probabilities
    assert any("stopped" in warning for warning in kept.warnings)
    jsonschema.validate(kept.to_json(), schema())


def test_gaps_become_rows_of_everyone_who_is_seen(two_people: Video, tiny_model: LoadedModel, analyzed: Analysis) -> None:
    with Analyzer(tiny_model, settings=UtteranceSettings(gaps=True)) as analyzer:
        told = analyzer.analyze(two_people.path)
    speech = [(row.start_s, row.end_s, row.person) for row in told.utterances if row.kind == "speech"]
    assert speech == [(row.start_s, row.end_s, row.person) for row in analyzed.utterances]
    gaps = [row for row in told.utterances if row.kind == "gap"]
    assert gaps
    for row in gaps:
        assert row.person is not None
        assert row.prediction is not None
        assert row.prediction.modalities_used == ["visual"]
        assert not any(row.start_s < end_s and row.end_s > start_s for start_s, end_s, _ in speech)


def test_loudness_serves_where_the_network_is_missing(two_people: Video, tiny_model: LoadedModel) -> None:
    with Analyzer(tiny_model, hearing=LoudnessHearing()) as analyzer:
        told = analyzer.analyze(two_people.path)
    assert told.made_by["hearing"] == "loudness"
    for turn in two_people.turns:
        covered = sum(max(0.0, min(row.end_s, turn.end_s) - max(row.start_s, turn.start_s)) for row in told.utterances)
        assert covered > 0.8 * (turn.end_s - turn.start_s)


def test_a_file_that_is_none_is_one_plain_error(tmp_path: Path, analyzer: Analyzer) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(MediaError, match=r"no\.mp4"):
        analyzer.analyze(path)
    with pytest.raises(MesmerError):
        analyzer.analyze(tmp_path / "missing.mp4")


def test_who_is_out_of_the_picture_is_not_held_for_the_speaker(two_people: Video, analyzed: Analysis) -> None:
    turn = two_people.turns[LEAVES]
    row = min(analyzed.utterances, key=lambda row: abs(row.start_s - turn.start_s))
    assert row.person == numbers(analyzed, two_people)[1]
    assert row.speaker_share is None  # nobody else was there to compare with


def _srt(time_s: float) -> str:
    whole = round(time_s * 1000)
    return f"{whole // 3600000:02d}:{whole // 60000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
