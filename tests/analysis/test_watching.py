"""Faces followed in a process of their own: the same answers as here, and what happens when it or its owner ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from two_people import Video

from mesmer.analysis import Analysis, Analyzer, watcher_process
from mesmer.analysis.people import Habits, PeopleWatcher, Sighting
from mesmer.analysis.recipe import AnalyzerRecipe
from mesmer.analysis.result import AnalyzedPerson
from mesmer.analysis.watcher_process import WatcherProcess, WatchingBeside
from mesmer.analysis.watcher_wire import Listener, Teller
from mesmer.analysis.watching import Everyone, Seen, WatcherError, Watching, WatchingHere
from mesmer.cli.main import main
from mesmer.config import PrepareSettings
from mesmer.media.process import ChildProcess
from mesmer.media.reader import MediaReader
from mesmer.models import LoadedModel
from mesmer.report.analysis_text import stage_shares
from mesmer.report.page_facts import cost_rows
from mesmer.signals.mtcnn import FaceDetector

GRID_S = 0.125
FRAMES = 40

Pictures = list[NDArray[np.uint8]]


@pytest.fixture(autouse=True)
def beside_in_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesmer.analysis.watcher_process.BESIDE_FROM_S", 0.0)
    monkeypatch.setattr("mesmer.analysis.watcher_process.processors", lambda: 2)


@pytest.fixture(scope="module")
def pictures(two_people: Video) -> Pictures:
    with MediaReader() as reader:
        return reader.read(two_people.path, frame_interval_s=GRID_S, end_s=FRAMES * GRID_S, want_audio=False).frames


@pytest.fixture
def process() -> Iterator[WatcherProcess]:
    one = WatcherProcess()
    yield one
    one.close()


def begun(process: WatcherProcess) -> WatchingBeside:
    return process.begin(min_face_px=40, prepare=PrepareSettings(), grid_s=GRID_S)


def watched(watching: Watching, pictures: Pictures) -> list[Seen]:
    """Show the pictures, ask after every tenth about the last ten, and forget what was asked about."""
    answers = []
    for step, picture in enumerate(pictures):
        watching.see(picture, step * GRID_S)
        if step % 10 == 9:
            watching.ask((step - 9) * GRID_S, (step + 1) * GRID_S)
            watching.forget_before((step - 4) * GRID_S)
        answers += watching.answers(wait=False)
    answers += watching.answers(wait=True)
    watching.close()
    return answers


def assert_same(one: Seen, other: Seen) -> None:
    assert list(one.sightings) == list(other.sightings)
    for number in one.sightings:
        for mine, theirs in zip(one.sightings[number], other.sightings[number], strict=True):
            assert (mine.time_s, mine.mouth, mine.unlike_rest, mine.found) == (
                *(theirs.time_s, theirs.mouth, theirs.unlike_rest, theirs.found),
            )
            assert mine.box_px.dtype == theirs.box_px.dtype == np.float32
            assert np.array_equal(mine.box_px, theirs.box_px)
    assert one.habits == other.habits
    assert_same_people(one.everyone, other.everyone)


def assert_same_people(one: Everyone, other: Everyone) -> None:
    assert list(one.people) == list(other.people)
    for mine, theirs in zip(one.people, other.people, strict=True):
        assert (mine.thumbnail is None) == (theirs.thumbnail is None)
        assert mine.thumbnail is None or np.array_equal(mine.thumbnail, theirs.thumbnail)
    assert (one.frames, one.faceless, one.overlapping) == (other.frames, other.faceless, other.overlapping)


@pytest.mark.parametrize("queued_bytes", [1, 24 * 2**20])
def test_the_process_sees_what_is_seen_here(
    queued_bytes: int, pictures: Pictures, process: WatcherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many frames may wait: with one byte allowed, each waits until the one before the last was looked at."""
    monkeypatch.setattr(watcher_process, "QUEUED_BYTES", queued_bytes)
    here = WatchingHere(PeopleWatcher(FaceDetector(min_face_px=40), settings=PrepareSettings(), grid_s=GRID_S))
    beside = begun(process)
    expected, told = watched(here, pictures), watched(beside, pictures)
    assert len(told) == FRAMES // 10
    for one, other in zip(expected, told, strict=True):
        assert_same(one, other)
    assert any(one.mouth is not None for ones in told[-1].sightings.values() for one in ones)
    assert_same_people(here.so_far(), beside.so_far())
    assert beside.so_far().frames == FRAMES
    assert here.busy_s is None
    assert beside.busy_s > 0


def test_no_more_frames_wait_than_are_allowed(
    pictures: Pictures, process: WatcherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_process, "QUEUED_BYTES", 4 * pictures[0].nbytes)
    beside = begun(process)
    waiting = 0
    for step, picture in enumerate(pictures):
        beside.see(picture, step * GRID_S)
        waiting = max(waiting, len(beside._queued))
    assert waiting == 4
    beside.close()
    assert not beside.owed


def test_one_process_serves_file_after_file_and_forgets_the_one_before(pictures: Pictures, process: WatcherProcess) -> None:
    first = watched(begun(process), pictures)
    pid = process.pid
    second = watched(begun(process), pictures)
    assert process.pid == pid
    for one, other in zip(first, second, strict=True):
        assert_same(one, other)


def test_a_file_left_in_the_middle_does_not_reach_into_the_next(pictures: Pictures, process: WatcherProcess) -> None:
    left = begun(process)
    left.see(pictures[0], 0.0)
    left.ask(0.0, 1.0)
    pid = process.pid
    told = watched(begun(process), pictures)
    assert process.pid != pid
    assert told[-1].everyone.frames == FRAMES
    assert left.so_far() == Everyone()


@pytest.mark.parametrize("cut", ["tell", "hear"])
def test_a_message_cut_in_two_by_ctrl_c_does_not_reach_into_the_next_file(
    cut: str, pictures: Pictures, process: WatcherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched(begun(process), pictures[:10])
    pid, left = process.pid, begun(process)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def asked() -> list[Seen]:
        left.ask(0.0, 1.0)
        return left.answers(wait=True)

    with monkeypatch.context() as patch:
        patch.setattr(ChildProcess, cut, interrupted)
        with pytest.raises(KeyboardInterrupt):
            asked()
    assert not left._process.alive
    told = watched(begun(process), pictures)
    assert process.pid != pid
    assert told[-1].everyone.frames == FRAMES


def test_an_interruption_between_question_and_answer_does_not_reach_into_the_next_file(
    pictures: Pictures, process: WatcherProcess
) -> None:
    watched(begun(process), pictures[:10])
    left = begun(process)
    left.tell({"ask": "between", "start_s": 0.0, "end_s": 1.0})  # sent, but nobody waits for its answer any more
    assert not left.owed
    told = watched(begun(process), pictures)
    assert [one.everyone.frames for one in told] == [10, 20, 30, 40]


def test_a_file_of_which_nothing_was_seen_does_not_reach_into_the_next(pictures: Pictures, process: WatcherProcess) -> None:
    begun(process)
    assert watched(begun(process), pictures)[-1].everyone.frames == FRAMES
    assert watched(begun(process), []) == []
    assert watched(begun(process), pictures[:10])[-1].everyone.frames == 10


def test_everyone_is_told_now_and_then_without_being_asked(
    pictures: Pictures, process: WatcherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_process, "UPDATE_EVERY_S", 1.0)
    beside = begun(process)
    for step, picture in enumerate(pictures):
        beside.see(picture, step * GRID_S)
    while beside.owed:
        beside._hear()
    assert beside.answers(wait=False) == []
    assert 0 < FRAMES - beside.so_far().frames <= 1.0 / GRID_S
    assert beside.so_far().people


def test_a_defect_there_is_told_here(pictures: Pictures, process: WatcherProcess) -> None:
    beside = begun(process)
    beside.tell({"ask": "see", "time_s": 0.0, "height_px": 5, "width_px": 7}, bytes(6))
    beside._queued.append(6)
    with pytest.raises(WatcherError, match="ValueError: cannot reshape"):
        beside.close()
    for call in (beside.close, lambda: beside.forget_before(1.0), lambda: beside.answers(wait=False)):
        with pytest.raises(WatcherError, match="this analysis has ended"):
            call()


numbers = st.floats(-1e6, 1e6, allow_nan=False)
maybe = st.none() | st.floats(0, 10, allow_nan=False)
boxes = st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4)
sightings = st.builds(
    lambda time_s, box, mouth, unlike, found: Sighting(
        time_s=time_s, box_px=np.array(box, np.float32), mouth=mouth, unlike_rest=unlike, found=found
    ),
    *(numbers, boxes, maybe, maybe, st.booleans()),
)
habits = st.builds(Habits, rest=numbers, talking=numbers, like=numbers, unlike=numbers)
shades = st.none() | st.integers(0, 255)


@st.composite
def whatever_seen(draw: st.DrawFn) -> Seen:
    known = draw(st.lists(st.integers(1, 10_000), unique=True, max_size=4))
    people = [
        AnalyzedPerson(
            number=n, first_s=draw(numbers), last_s=draw(numbers), seen_s=draw(numbers), thumbnail=_picture(shade)
        )
        for n in known
        for shade in [draw(shades)]
    ]
    counts = {name: draw(st.integers(0, 10**9)) for name in ("frames", "faceless", "overlapping")}
    return Seen(
        sightings={n: ones for n in known if (ones := draw(st.lists(sightings, max_size=3)))},
        habits={n: draw(habits) for n in known},
        everyone=Everyone(people=people, **counts),
    )


def _picture(shade: int | None) -> NDArray[np.uint8] | None:
    return None if shade is None else np.full((48, 48, 3), shade, np.uint8)


@settings(max_examples=40, deadline=None)
@given(whatever_seen())
def test_what_is_told_arrives_as_it_was(seen: Seen) -> None:
    teller, listener = Teller(), Listener()
    for pictures_sent in (sum(person.thumbnail is not None for person in seen.everyone.people), 0):
        header, data = teller.packed(seen)
        assert header["pictures"] == pictures_sent  # a picture travels once
        assert_same(listener.unpacked(json.loads(json.dumps(header)), np.frombuffer(data, np.uint8)), seen)
    assert_same_people(listener.everyone, seen.everyone)


def without_times(analysis: Analysis) -> dict[str, Any]:
    told = analysis.to_json()
    for one in (told, *told["utterances"]):
        one["cost"] = {name: value for name, value in one["cost"].items() if name.endswith("multiply_adds")}
    return told


def test_an_analysis_is_the_same_either_way(two_people: Video, analyzed: Analysis, tiny_model: LoadedModel) -> None:
    with Analyzer(tiny_model) as analyzer:
        beside = analyzer.analyze(two_people.path)
    assert "seconds_waiting_for_faces" in beside.cost
    assert "seconds_waiting_for_faces" not in analyzed.cost
    assert "% beside the rest" in stage_shares(beside)
    assert "beside" not in stage_shares(analyzed)
    seconds = {name: float(spent.replace(",", "")) for name, spent, _ in cost_rows(beside.cost)["stages"]}
    faces_s = seconds.pop("finding and following faces")
    assert 0 < faces_s < beside.cost["seconds_total"]
    assert sum(seconds.values()) == pytest.approx(beside.cost["seconds_total"], abs=0.01)
    assert without_times(beside) == without_times(analyzed)
    for one, other in zip(beside.people, analyzed.people, strict=True):
        assert one.thumbnail is not None
        assert other.thumbnail is not None
        assert np.array_equal(one.thumbnail, other.thumbnail)


def test_it_is_used_where_it_pays(two_people: Video, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def beside(analyzer: Analyzer) -> bool:
        with analyzer:
            return "seconds_waiting_for_faces" in analyzer.analyze(two_people.path).cost

    assert not beside(AnalyzerRecipe(model=str(tiny_model.folder)).open(beside=False))
    monkeypatch.setattr("mesmer.analysis.watcher_process.BESIDE_FROM_S", 60.0)  # the video is shorter
    assert not beside(Analyzer(tiny_model))
    monkeypatch.setattr("mesmer.analysis.watcher_process.BESIDE_FROM_S", 0.0)
    monkeypatch.setattr("mesmer.analysis.watcher_process.processors", lambda: 1)
    assert not beside(Analyzer(tiny_model))


def test_what_is_known_stays_known_when_an_analysis_is_left(two_people: Video, tiny_model: LoadedModel) -> None:
    with Analyzer(tiny_model) as analyzer:
        running = analyzer.open(two_people.path)
        rows = [row for _, row in zip(range(3), running, strict=False)]
        left = running.result()
        assert not left.complete
        assert left.utterances == rows
        assert {row.person for row in rows} - {None} <= {person.number for person in left.people}
        assert left.analyzed_s >= rows[-1].end_s
        whole = analyzer.analyze(two_people.path)  # the next file is served as if nothing had been
        assert whole.complete
        assert without_times(whole)["utterances"][:3] == without_times(left)["utterances"]


def test_a_process_that_dies_is_one_error(
    two_people: Video, tiny_model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    real = WatchingBeside.ask

    def killed(self: WatchingBeside, start_s: float, end_s: float) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        real(self, start_s, end_s)

    monkeypatch.setattr(WatchingBeside, "ask", killed)
    with Analyzer(tiny_model) as analyzer:
        with pytest.raises(WatcherError, match=r"the process that follows faces (has ended|failed)"):
            analyzer.analyze(two_people.path)
        monkeypatch.setattr(WatchingBeside, "ask", real)
        assert analyzer.analyze(two_people.path).complete  # another one is started for the next file
    monkeypatch.setattr(WatchingBeside, "ask", killed)
    words = ["analyze", str(two_people.path), "--model", str(tiny_model.folder), "--out", str(tmp_path / "out")]
    assert main(words) != 0
    told = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in told if "the process that follows faces" in line]) == 1
    assert not any("Traceback" in line for line in told)


def test_what_was_made_before_the_process_died_is_kept(
    two_people: Video, analyzed: Analysis, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = WatchingBeside.ask, []

    def killed_late(self: WatchingBeside, start_s: float, end_s: float) -> None:
        real(self, start_s, end_s)
        asked.append(start_s)
        if len(asked) == 5:
            while self._asked:
                self._hear()
            os.kill(self._process.pid, signal.SIGKILL)

    monkeypatch.setattr(WatchingBeside, "ask", killed_late)
    with Analyzer(tiny_model) as analyzer:
        told = analyzer.analyze(two_people.path)
    assert not told.complete
    assert any("faces could be followed only up to" in warning for warning in told.warnings)
    rows = without_times(analyzed)["utterances"]
    assert 0 < len(told.utterances) < len(rows)
    assert without_times(told)["utterances"] == rows[: len(told.utterances)]


def test_progress_comes_to_the_end(two_people: Video, tiny_model: LoadedModel) -> None:
    told: list[tuple[float, float]] = []
    with Analyzer(tiny_model) as analyzer:
        analyzer.analyze(two_people.path, progress=lambda done_s, of_s: told.append((done_s, of_s)))
    assert told == sorted(told)
    assert told[-1][0] >= told[-1][1] - 1


OWNER = """
import sys, time
import numpy as np
from mesmer.analysis.watcher_process import WatcherProcess
from mesmer.config import PrepareSettings
process = WatcherProcess()
watching = process.begin(min_face_px=40, prepare=PrepareSettings(), grid_s=0.125)
watching.see(np.zeros((48, 64, 3), np.uint8), 0.0)
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the process in /proc")
def test_the_process_ends_with_its_owner() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    try:
        pid = int(owner.stdout.readline())
        assert _runs(pid)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    deadline = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
