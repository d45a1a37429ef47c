"""From any video or sound file to who expressed what, when: speech, faces and words of each utterance, then the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mesmer.analysis.asr import Whisper
from mesmer.analysis.budget import Budget, Setting, choose
from mesmer.analysis.file_pass import FilePass, Heard
from mesmer.analysis.hearing import Hearing, best_hearing
from mesmer.analysis.judging import judge, make_turn_clip, with_words
from mesmer.analysis.predict import Predictor
from mesmer.analysis.result import Analysis, AnalyzedPerson, AnalyzedUtterance
from mesmer.analysis.transcripts import Transcript, read_transcript_file
from mesmer.analysis.utterances import UtteranceSettings
from mesmer.errors import ConfigError
from mesmer.media.facts import MediaFacts
from mesmer.models.loading import LoadedModel
from mesmer.models.saving import HASHES_FILE
from mesmer.records import Clip
from mesmer.storage.hashes import sha256_file

Progress = Callable[[float, float], None]
"""Is told (seconds done, seconds in all)."""


class Analyzer:
    """A model with all that it takes to analyse files, one after another; a context manager.

    Args:
        model: a loaded model, or the folder, name or hub id of one, or the folder of a training run; None is the default.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.
        whisper: writes down what is said, where no transcript is given.
        hearing: tells speech from silence; None takes silero-VAD where it is installed.
        settings: how speech becomes utterances.
        budget: what it may cost; sets ``top_p``, the precision and how often faces are looked at.

    Raises:
        ModelError: the model cannot be loaded.
        ConfigError: ``top_p`` is refused, or given beside a budget.
    """

    def __init__(
        self,
        model: LoadedModel | str | Path | None = None,
        *,
        top_p: float | None = None,
        whisper: Whisper | None = None,
        hearing: Hearing | None = None,
        settings: UtteranceSettings | None = None,
        budget: Budget | None = None,
    ) -> None:
        if budget is not None and top_p is not None:
            raise ConfigError("a budget chooses top_p", field="budget", remedy="give one of the two")
        self.budget = budget
        if budget is None:
            self.predictor = Predictor(model, top_p=top_p)
        else:
            self.predictor = _predictor_for(budget.setting, model)
        self.sound_reader = self.predictor.reader.another()
        self.hearing, self.hearing_problem = (hearing, None) if hearing is not None else best_hearing()
        self.whisper = whisper
        self.settings = settings or UtteranceSettings()
        if budget is not None:
            self.settings = replace(self.settings, look_every_s=1 / budget.setting.looks_per_s)

    def __enter__(self) -> Analyzer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.sound_reader.close()
        self.predictor.__exit__(*raised)

    def open(
        self, path: str | Path, *, transcript: Transcript | None = None, progress: Progress | None = None
    ) -> RunningAnalysis:
        """Begin with a file: iterate over what is returned to get its utterances; ``result()`` is what is known so far.

        Raises:
            MediaError: the file cannot be read.
        """
        return RunningAnalysis(self, Path(path), transcript, progress)

    def model_facts(self) -> dict[str, Any]:
        """Return what a result says of the model."""
        loaded = self.predictor.loaded
        hashes = loaded.folder / HASHES_FILE
        return {
            "name": loaded.model.settings.name,
            "folder": "/".join(loaded.folder.parts[-2:]),
            "sha256": sha256_file(hashes) if hashes.is_file() else None,
            "trained_on": ", ".join(loaded.trained_on) or None,
            "emotions": list(loaded.model.settings.emotions),
            "top_p": self.predictor.top_p,
        }

    def made_by(self, transcript: Transcript | None, *, has_audio: bool) -> dict[str, Any]:
        """Return what a result says of this program, its settings and the words."""
        from mesmer import __version__

        written = None if self.whisper is None or not has_audio else self.whisper.name
        return {
            "version": __version__,
            "hearing": self.hearing.name if has_audio else None,
            "words": written if transcript is None else transcript.name,
            "words_sha256": None if transcript is None else transcript.digest,
            "settings": asdict(self.settings),
            **({} if self.budget is None else {"budget": self.budget.to_json()}),
        }

    def analyze(
        self, path: str | Path, *, transcript: Transcript | None = None, progress: Progress | None = None
    ) -> Analysis:
        """Go through a file to its end.

        Raises:
            MediaError: the file cannot be read.
        """
        running = self.open(path, transcript=transcript, progress=progress)
        for _ in running:
            pass
        return running.result()


def _predictor_for(setting: Setting, model: LoadedModel | str | Path | None) -> Predictor:
    """Return a predictor as cheap as asked for; a model without a dial has no use for ``top_p``."""
    predictor = Predictor(model, precision=setting.precision)
    if setting.top_p is None or predictor.top_p is None:
        return predictor
    predictor.__exit__()
    return Predictor(predictor.loaded, top_p=setting.top_p, precision=setting.precision)


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
            detector=analyzer.predictor.detector,
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
        for heard, clip, text in self._worded():
            with self._pass.clock.at("model"):
                row = judge(
                    with_words(clip, text),
                    heard,
                    number=len(self._utterances) + 1,
                    predictor=self._analyzer.predictor,
                    path=self._path,
                    known=len(self._pass.watcher.people),
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
            people=[
                AnalyzedPerson(
                    number=person.number,
                    first_s=person.first_s,
                    last_s=person.last_s,
                    seen_s=round(person.seen_s, 3),
                    thumbnail=person.thumbnail,
                )
                for person in reading.watcher.people
            ],
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
                        reading=self._pass,
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
        analyzer, reading, watcher = self._analyzer, self._pass, self._pass.watcher
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
        elif watcher.faceless > 0.01 * watcher.frames:
            warnings.append(f"no face in {100 * watcher.faceless / watcher.frames:.0f} % of the time")
        if watcher.overlapping > 0.01 * watcher.frames:
            warnings.append(f"faces overlap in {100 * watcher.overlapping / watcher.frames:.0f} % of the time")
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


def analyze(
    path: str | Path,
    *,
    model: LoadedModel | str | Path | None = None,
    transcript: str | Path | None = None,
    whisper: str | None = None,
    language: str | None = None,
    top_p: float | None = None,
    gaps: bool = False,
    budget: float | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Return who expressed what, when, in one file. For many files, use one :class:`Analyzer`.

    Args:
        path: a video or sound file of any length.
        model: a loaded model, the folder, name or hub id of one, or the folder of a training run; None is the default.
        transcript: an SRT, WebVTT or text file with what is said.
        whisper: a model for faster-whisper that writes down what is said, where no transcript is given.
        language: of the speech, for Whisper; None lets it guess.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.
        gaps: stretches without speech become utterances too, of everyone seen in them.
        budget: what it may cost, in multiples of real time (0.5: half an hour for an hour); chooses ``top_p``, the
            precision and how often faces are looked at.
        progress: is told (seconds done, seconds in all).

    Raises:
        MesmerError: file, model or transcript cannot be read, a package is missing, or ``top_p`` is refused.
    """
    if transcript is not None and whisper is not None:
        raise ConfigError("words come from one place", field="whisper", remedy="give a transcript or a Whisper model")
    words = None if transcript is None else read_transcript_file(transcript)
    writer = None if whisper is None else Whisper(whisper, language=language)
    allowed = None if budget is None else choose(budget)
    settings = UtteranceSettings(gaps=gaps)
    with Analyzer(model, top_p=top_p, whisper=writer, settings=settings, budget=allowed) as analyzer:
        return analyzer.analyze(path, transcript=words, progress=progress)


def source_facts(path: Path, facts: MediaFacts) -> dict[str, Any]:
    """Return what a result says of its file."""
    return {
        "name": path.name.encode("utf-8", "replace").decode("utf-8"),
        "modified_ns": path.stat().st_mtime_ns,
        **{key: value for key, value in asdict(facts).items() if value is not None},
    }
