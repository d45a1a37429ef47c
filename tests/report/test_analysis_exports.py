"""Exports of an analysis: read back by independent readers, and safe whatever a stranger said or named."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pandas
import pympi
import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.analysis.result import Analysis, AnalyzedPerson, AnalyzedUtterance
from mesmer.analysis.transcripts import read_transcript_file
from mesmer.records import Prediction
from mesmer.report.analysis_exports import FORMULA_SIGNS, cell, csv_text, eaf_text, srt_text, vtt_text
from mesmer.report.analysis_files import write_analysis
from mesmer.report.analysis_text import one_line, print_analysis

EMOTIONS = ("anger", "happiness")
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "\t=1+1",
    "＝HYPERLINK(1)",
    "<script>alert(1)</script> & <b>bold</b>",
    "one\n\n2\n00:00:00,000 --> 00:59:00,000\nsmuggled",
    "{\\an8}{\\move(0,0)} NOTE -->",
    "\x1b[2J\x07bell \x00 nul \ufffe",
    "\u202egnp.exe \u2028 next",
    "half \ud800 a pair",
    ']]> <!ENTITY x "y"> &amp; "quoted", and \'so\'',
    "",
    "Grüße, 世界 🙂",
)


def row(number: int, start_s: float, end_s: float, *, person: int | None = 1, text: str | None = None) -> AnalyzedUtterance:
    chance = 0.1 + 0.05 * (number % 10)
    prediction = Prediction(
        id=f"u{number:04d}",
        probabilities={"anger": chance, "happiness": 1 - chance},
        thresholds=dict.fromkeys(EMOTIONS, 0.5),
        decisions=["happiness"],
        modalities_used=["audio", "visual"],
        modality_shares={"audio": {"anger": 1.0, "happiness": -0.5}, "visual": {"anger": 0.25, "happiness": 0.25}},
        warnings=[],
        cost={"multiply_adds": 10, "dense_multiply_adds": 20},
        unsure=["anger"],
    )
    return AnalyzedUtterance(
        id=f"u{number:04d}",
        start_s=start_s,
        end_s=end_s,
        kind="speech",
        person=person,
        speaker_share=None,
        text=text,
        prediction=prediction,
        absent={"text": "no text"},
        warnings=["a warning, with a comma"],
    )


def analysis(rows: list[AnalyzedUtterance], *, name: str = "talk.mp4") -> Analysis:
    picture = np.full((48, 48, 3), 7, np.uint8)
    return Analysis(
        source={"name": name, "size_bytes": 1, "duration_s": 100.0, "has_video": True, "has_audio": True},
        model={"name": "mesm", "emotions": list(EMOTIONS), "top_p": 0.9},
        made_by={"version": "0", "hearing": None, "words": None, "settings": {}},
        complete=True,
        analyzed_s=100.0,
        people=[AnalyzedPerson(number=1, first_s=0.0, last_s=9.0, seen_s=8.0, thumbnail=picture)],
        utterances=rows,
        warnings=["about <all>"],
        cost={"seconds_total": 2.0, "seconds_reading": 1.0, "real_time_factor": 50.0},
    )


@pytest.fixture
def hostile() -> Analysis:
    rows = [row(n, 2.0 * n, 2.0 * n + 1.5, person=1 + n % 2, text=text) for n, text in enumerate(HOSTILE, start=1)]
    return analysis(rows, name="=1+1 <img src=x onerror=alert(1)> & 50%.mp4")


def test_csv_is_read_back_by_pandas_and_runs_nowhere(hostile: Analysis) -> None:
    text = csv_text(hostile)
    table = pandas.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert list(table["id"]) == [one.id for one in hostile.utterances]
    assert table["start_s"].astype(float).tolist() == [one.start_s for one in hostile.utterances]
    assert table["p_anger"].astype(float).tolist() == pytest.approx(
        [one.prediction.probabilities["anger"] for one in hostile.utterances if one.prediction], abs=1e-4
    )
    assert table["share_audio"].astype(float).tolist() == pytest.approx([0.75] * len(HOSTILE), abs=1e-4)
    assert table["text"].iloc[-1] == HOSTILE[-1]
    for line in csv.reader(io.StringIO(text)):
        for value in line:
            assert not value.startswith(FORMULA_SIGNS)
            assert not set(value) & set("\r\n\t\x00\x1b")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=40))
def test_no_text_is_a_formula_or_breaks_a_line(text: str) -> None:
    safe = cell(text)
    assert not safe.startswith(FORMULA_SIGNS)
    assert safe.encode("utf-8").decode() == safe
    assert len(safe.splitlines()) <= 1
    if text.isalnum():
        assert safe == text


def test_subtitles_are_read_back_by_two_readers(hostile: Analysis, tmp_path: Path) -> None:
    times = [(round(one.start_s * 1000), round(one.end_s * 1000)) for one in hostile.utterances]
    for ending, text in (("srt", srt_text(hostile)), ("vtt", vtt_text(hostile))):
        found = pysubs2.SSAFile.from_string(text, format_=ending)
        assert [(event.start, event.end) for event in found] == times
        path = tmp_path / f"s.{ending}"
        path.write_text(text, encoding="utf-8")
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(container.streams.subtitles[0]) if packet.pts is not None]
        assert [(packet.pts, packet.pts + packet.duration) for packet in packets] == times
        assert "<script" not in text
        assert "<b>" not in text
        assert "{" not in text or ending == "vtt"
        assert text.count("-->") == len(times)
        words = read_transcript_file(path)
        told = words.words_of([(one.start_s, one.end_s) for one in hostile.utterances])
        assert told[-1].endswith("Grüße, 世界 🙂")
        assert told[0].startswith("[person 2: happiness")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5_000_000), st.integers(1, 60_000), st.text(st.characters(), max_size=30)),
        max_size=6,
    )
)
def test_any_words_give_as_many_subtitles_and_annotations(cues: list[tuple[int, int, str]]) -> None:
    rows, at_ms = [], 0
    for number, (gap_ms, long_ms, text) in enumerate(cues, start=1):
        at_ms += gap_ms % 100_000
        rows.append(row(number, at_ms / 1000, (at_ms + long_ms) / 1000, text=text))
        at_ms += long_ms
    made = analysis(rows)
    times = [(round(one.start_s * 1000), round(one.end_s * 1000)) for one in rows]
    for ending, text in (("srt", srt_text(made)), ("vtt", vtt_text(made))):
        if rows:
            assert [(event.start, event.end) for event in pysubs2.SSAFile.from_string(text, format_=ending)] == times
    root = ElementTree.fromstring(eaf_text(made).encode())
    values = [node.text for node in root.iter("ANNOTATION_VALUE")]
    assert values[len(rows) :] == [one_line(one.text or "") for one in rows if one_line(one.text or "")]


def test_elan_is_read_back_by_pympi(hostile: Analysis, tmp_path: Path) -> None:
    path = tmp_path / "a.eaf"
    path.write_text(eaf_text(hostile), encoding="utf-8")
    document = pympi.Elan.Eaf(str(path))
    for person in (1, 2):
        mine = [one for one in hostile.utterances if one.person == person]
        found = sorted(document.get_annotation_data_for_tier(f"person {person} emotions"))
        assert [(start, end) for start, end, *_ in found] == [
            (round(one.start_s * 1000), round(one.end_s * 1000)) for one in mine
        ]
        assert found[0][2] == "happiness 0.85 (unsure: anger)" if person == 2 else found[0][2].startswith("happiness")
        words = sorted(document.get_annotation_data_for_tier(f"person {person} words"))
        assert [value for _, _, value, *_ in words] == [
            one_line(one.text or "") for one in mine if one_line(one.text or "")
        ]
    assert document.get_linked_files()[0]["MEDIA_URL"].startswith("./%3D1%2B1%20%3Cimg")


def test_who_is_not_seen_has_a_tier_and_overlaps_stay_apart(tmp_path: Path) -> None:
    rows = [row(1, 0.0, 2.0, person=1), row(2, 1.0, 3.0, person=2), row(3, 3.0, 4.0, person=None)]
    path = tmp_path / "a.eaf"
    path.write_text(eaf_text(analysis(rows)), encoding="utf-8")
    document = pympi.Elan.Eaf(str(path))
    assert set(document.get_tier_names()) == {
        f"{who} {what}" for who in ("person 1", "person 2", "unseen") for what in ("emotions", "words")
    }
    assert len(document.get_annotation_data_between_times("unseen emotions", 3000, 4000)) == 1


def test_a_terminal_is_left_alone(hostile: Analysis) -> None:
    file = io.StringIO()
    print_analysis(hostile, file=file)
    text = file.getvalue()
    assert not set(text) & {"\x1b", "\x07", "\x00", "\u202e", "\u2028"}
    assert len(text.splitlines()) == 1 + len(HOSTILE) + 1 + 1
    text.encode("utf-8")


def test_an_empty_analysis_is_written_in_all_forms(tmp_path: Path) -> None:
    empty = replace(analysis([]), people=[])
    write_analysis(empty, tmp_path / "empty")
    names = sorted(file.name for file in (tmp_path / "empty").iterdir())
    assert names == ["analysis.json", "report.html", "utterances.csv", "utterances.eaf", "utterances.srt", "utterances.vtt"]
    assert len((tmp_path / "empty" / "utterances.csv").read_text().splitlines()) == 1
    assert (tmp_path / "empty" / "utterances.vtt").read_text() == "WEBVTT\n"
    pympi.Elan.Eaf(str(tmp_path / "empty" / "utterances.eaf"))
