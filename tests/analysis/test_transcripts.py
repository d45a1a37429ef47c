"""Words of subtitles go to the utterance in which they are said; what cannot be read is one plain error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.analysis.transcripts import Cue, Transcript, read_transcript_file
from mesmer.errors import ConfigError

SRT = "1\n00:00:01,000 --> 00:00:03,000\nI am <i>glad</i>\nto see you\n\n2\n00:00:05,000 --> 00:00:06,000\n{\\an8}Leave!\n"
VTT = (
    "WEBVTT\n\nNOTE of somebody\n\n00:01.000 --> 00:03.000 align:left\n<v Ada>I am glad</v> to see you\n\n"
    "00:05.000 --> 00:06.000\nLeave!\n"
)


@pytest.mark.parametrize(
    ("ending", "text"), [("srt", SRT), ("vtt", VTT), ("srt", SRT.replace("\n", "\r\n")), ("srt", "\ufeff" + SRT)]
)
def test_subtitles_lose_their_markup_and_find_their_utterance(ending: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(text.encode("utf-8"))
    words = read_transcript_file(path)
    assert words.words_of([(0.9, 3.1)]) == ["I am glad to see you"]
    assert words.words_of([(4.5, 6.0)]) == ["Leave!"]
    assert words.finish() == 0


def test_a_subtitle_over_two_utterances_is_divided_by_time() -> None:
    words = Transcript(name="a", cues=[Cue(start_s=0.0, end_s=8.0, words=tuple("abcdefgh"))])
    assert words.words_of([(0.0, 3.9)]) == ["a b c d"]
    assert words.words_of([(4.1, 8.0)]) == ["e f g h"]


def test_overlapping_speakers_share_no_word() -> None:
    cues = [Cue(start_s=0.0, end_s=2.0, words=("one", "two")), Cue(start_s=1.0, end_s=3.0, words=("three", "four"))]
    first, second = Transcript(name="a", cues=cues).words_of([(0.0, 2.0), (1.0, 3.0)])
    assert sorted(f"{first} {second}".split()) == ["four", "one", "three", "two"]
    assert first.startswith("one")
    assert second.endswith("four")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10), st.integers(1, 5)), max_size=8),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 10)), max_size=8),
)
def test_no_word_is_lost_or_doubled(cues: list[tuple[float, float, int]], stretches: list[tuple[float, float]]) -> None:
    made = [
        Cue(start_s=start_s, end_s=start_s + long_s, words=tuple(f"{number}.{place}" for place in range(count)))
        for number, (start_s, long_s, count) in enumerate(cues)
    ]
    words = Transcript(name="a", cues=made)
    found, at_s = [], 0.0
    for gap_s, long_s in stretches:
        at_s += gap_s
        found += words.words_of([(at_s, at_s + long_s)])[0].split()
        at_s += long_s
    assert len(found) == len(set(found))
    assert len(found) + words.finish() == sum(count for *_, count in cues)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.srt", b"", "no subtitle"),
        ("a.vtt", b"WEBVTT\n", "no subtitle"),
        ("a.srt", b"\xff\xfe\x00", "UTF-8"),
        ("a.txt", b"  \n ", "no words"),
        ("a.doc", b"words", "no transcript"),
        ("a.srt", b"x" * (8 * 2**20 + 1), "larger"),
    ],
)
def test_what_cannot_be_read_is_one_error(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        read_transcript_file(path)
    with pytest.raises(ConfigError):
        read_transcript_file(tmp_path / "missing.srt")


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    for ending in ("srt", "vtt", "txt"):
        path = tmp_path_factory.getbasetemp() / f"any.{ending}"
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            words = read_transcript_file(path)
        except ConfigError:
            continue
        assert words.whole or words.finish()
