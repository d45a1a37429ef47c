"""One file on its way through an analysis: its turns get clips, words and answers, and what is known so far is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesmer.analysis.file_pass import FilePass
from mesmer.analysis.heard import Heard
from mesmer.analysis.judging import judge, make_turn_clip, with_words
from mesmer.analysis.result import Analysis, AnalyzedUtterance
from mesmer.analysis.transcripts import Transcript
from mesmer.dataset.threads import one_thread
from mesmer.media.facts import MediaFacts
from mesmer.records import Clip

if TYPE_CHECKING:
    from mesmer.analysis.analyze import Analyzer

Progress = Callable[[float, float], None]
"""Is told (seconds done, seconds in all)."""


class RunningAnalysis:
    """One file that is being gone through. Iterating yields each utterance as soon as it is judged."""

    def __init__(self, analyzer: Analyzer, path: Path, transcript: Transcript | None, progress: Progress | None) -> None:
        self._analyzer, self._path = analyzer, path
        self._transcript = None if transcript is None else transcript.rewound()
        self._started = time.perf_counter()
        self._pass = FilePass(
            path,
            reader=analyzer.predictor.reader,
            sound_reader=analyzer.sound_reader,
            watch=analyzer.watch,
            prepare=analyzer.predictor.loaded.prepare,
            hearing=analyzer.hearing,
            settings=analyzer.settings,
            progress=progress,
        )
        self.source = source_facts(path, self._pass.facts)
        self._utterances: list[AnalyzedUtterance] = []
        self._done = False
        self._untimed = 0

    def __iter__(self) -> Iterator[AnalyzedUtterance]:
        rows = self._rows()
        while True:
            with one_thread():  # the other processors decode
                row = next(rows, None)
            if row is None:
                return
            yield row

    def _rows(self) -> Iterator[AnalyzedUtterance]:
        for heard, clip, text in self._worded():
            with self._pass.clock.at("model"):
                row = judge(
                    with_words(clip, text),
                    heard,
                    number=len(self._utterances) + 1,
                    predictor=self._analyzer.predictor,
                    path=self._path,
                )
            self._utterances.append(row)
            yield row
        self._done = True

    def result(self) -> Analysis:
        """Return what is known so far; ``complete`` says whether that is all."""
        analyzer, reading = self._analyzer, self._pass
        seconds = time.perf_counter() - self._started
        reached_s = reading.facts.duration_s if self._done and not reading.broke_off else max(0.0, reading.reached_s)
        cost = {f"seconds_{stage}": round(spent, 3) for stage, spent in reading.clock.seconds.items()}
        cost |= {"seconds_total": round(seconds, 3), "real_time_factor": round(reached_s / max(seconds, 1e-6), 2)}
        over_budget: list[str] = []
        if analyzer.budget is not None:
            cost["times_real_time"] = round(seconds / max(reached_s, 1e-6), 4)
            over_budget = analyzer.budget.warnings(cost["times_real_time"]) if self._done else []
        for name in ("multiply_adds", "dense_multiply_adds"):
            cost[name] = sum(row.prediction.cost[name] for row in self._utterances if row.prediction is not None)
        return Analysis(
            source=self.source,
            model=analyzer.model_facts(),
            made_by=analyzer.made_by(self._transcript, has_audio=reading.facts.has_audio),
            complete=self._done and not reading.broke_off,
            analyzed_s=round(reached_s, 3),
            people=list(reading.everyone.people),
            utterances=list(self._utterances),
            warnings=[*self._warnings(reached_s), *over_budget],
            cost=cost,
        )

    def _worded(self) -> Iterator[tuple[Heard, Clip, str | None]]:
        """Yield turns with their words. A text without times waits until it is known whether it has its one utterance."""
        first: tuple[Heard, Clip] | None = None
        waits = self._transcript is not None and self._transcript.whole is not None
        for heard, clip, text in self._clips():
            if not waits or heard.kind == "gap":
                yield heard, clip, text
                continue
            self._untimed += 1
            if self._untimed == 1:
                first = heard, clip
                continue
            if first is not None:
                yield *first, None
                first = None
            yield heard, clip, None
        if first is not None:
            assert self._transcript is not None
            yield *first, self._transcript.whole

    def _clips(self) -> Iterator[tuple[Heard, Clip, str | None]]:
        clock, whisper, transcript = self._pass.clock, self._analyzer.whisper, self._transcript
        predictor = self._analyzer.predictor
        for group in self._pass:
            spoken = [heard for heard in group if heard.kind == "speech"]
            given = (
                iter(())
                if transcript is None
                else iter(transcript.words_of([(heard.turn.start_s, heard.turn.end_s) for heard in spoken]))
            )
            for heard in group:
                with clock.at("clips"):
                    clip = make_turn_clip(
                        heard,
                        facts=self._pass.facts,
                        path=self._path,
                        detector=predictor.detector,
                        prepare=predictor.loaded.prepare,
                    )
                if heard.kind == "gap" and "visual" in clip.absent:
                    continue  # seen, but not so that a face can be cut out: there is nothing to read
                text = next(given, None) if heard.kind == "speech" else None
                if transcript is None and whisper is not None and heard.kind == "speech" and len(clip.waveform):
                    with clock.at("words"):
                        text = whisper.words(clip.waveform)
                yield heard, clip, text

    def _warnings(self, reached_s: float) -> list[str]:
        analyzer, reading, everyone = self._analyzer, self._pass, self._pass.everyone
        warnings = [*reading.problems]
        if not self._done:
            warnings.append(f"the analysis was stopped at {reached_s:.1f} s")
        if not reading.facts.has_audio:
            warnings.append("there is no sound in the file: it was cut into stretches in which a face is seen")
        else:
            warnings += [analyzer.hearing_problem] if analyzer.hearing_problem else []
            if self._done and not any(row.kind == "speech" for row in self._utterances):
                warnings.append("no speech was heard in it")
        if not reading.facts.has_video:
            warnings.append("there is no picture in the file: nobody is told from anybody else")
        elif everyone.faceless > 0.01 * everyone.frames:
            warnings.append(f"no face in {100 * everyone.faceless / everyone.frames:.0f} % of the time")
        if everyone.overlapping > 0.01 * everyone.frames:
            warnings.append(f"faces overlap in {100 * everyone.overlapping / everyone.frames:.0f} % of the time")
        return [*warnings, *self._words_warnings()]

    def _words_warnings(self) -> list[str]:
        transcript = self._transcript
        if transcript is None:
            if self._analyzer.whisper is None and self._pass.facts.has_audio:
                return ["words were not read: give a transcript, or a Whisper model to write down what is said"]
            return []
        if transcript.whole is not None:
            if self._untimed <= 1:
                return []
            return [
                f"{transcript.name} was not used: it has no times, and there is more than one utterance; give SRT or WebVTT"
            ]
        left = transcript.finish() if self._done else transcript.left_out
        return [f"{left} words of {transcript.name} lie where no speech was heard, and were left out"] if left else []


def source_facts(path: Path, facts: MediaFacts) -> dict[str, Any]:
    """Return what a result says of its file."""
    return {
        "name": path.name.encode("utf-8", "replace").decode("utf-8"),
        "modified_ns": path.stat().st_mtime_ns,
        **{key: value for key, value in asdict(facts).items() if value is not None},
    }
