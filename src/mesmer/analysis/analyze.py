"""From any video or sound file to who expressed what, when: speech, faces and words of each utterance, then the model."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mesmer.analysis.asr import Whisper
from mesmer.analysis.budget import Budget, Setting, choose
from mesmer.analysis.hearing import Hearing, best_hearing
from mesmer.analysis.people import PeopleWatcher
from mesmer.analysis.predict import Predictor
from mesmer.analysis.result import Analysis
from mesmer.analysis.running import Progress, RunningAnalysis
from mesmer.analysis.transcripts import Transcript, read_transcript_file
from mesmer.analysis.utterances import UtteranceSettings
from mesmer.analysis.watcher_process import WatcherProcess, pays
from mesmer.analysis.watching import Watching, WatchingHere
from mesmer.errors import ConfigError
from mesmer.media.facts import MediaFacts
from mesmer.models.loading import LoadedModel
from mesmer.models.saving import HASHES_FILE
from mesmer.storage.hashes import sha256_file


class Analyzer:
    """A model with all that it takes to analyse files, one after another; a context manager.

    Args:
        model: a loaded model, or the folder, name or hub id of one, or the folder of a training run; None is the default.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.
        whisper: writes down what is said, where no transcript is given.
        hearing: tells speech from silence; None takes silero-VAD where it is installed.
        settings: how speech becomes utterances.
        budget: what it may cost; sets ``top_p``, the precision and how often faces are looked at.
        beside: in a file of a minute or more, follow faces in a process of its own where a second processor is there. The
            results are the same. False where other processes keep the processors busy.

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
        beside: bool = True,
    ) -> None:
        if budget is not None and top_p is not None:
            raise ConfigError("a budget chooses top_p", field="budget", remedy="give one of the two")
        self.budget = budget
        if budget is None:
            self.predictor = Predictor(model, top_p=top_p)
        else:
            self.predictor = _predictor_for(budget.setting, model)
        self.sound_reader = self.predictor.reader.another()
        self._watcher = WatcherProcess() if beside else None
        self.hearing, self.hearing_problem = (hearing, None) if hearing is not None else best_hearing()
        self.whisper = whisper
        self.settings = settings or UtteranceSettings()
        if budget is not None:
            self.settings = replace(self.settings, look_every_s=1 / budget.setting.looks_per_s)

    def __enter__(self) -> Analyzer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.sound_reader.close()
        if self._watcher is not None:
            self._watcher.close()
        self.predictor.__exit__(*raised)

    def open(
        self, path: str | Path, *, transcript: Transcript | None = None, progress: Progress | None = None
    ) -> RunningAnalysis:
        """Begin with a file: iterate over what is returned to get its utterances; ``result()`` is what is known so far.

        Raises:
            MediaError: the file cannot be read.
        """
        return RunningAnalysis(self, Path(path), transcript, progress)

    def watch(self, facts: MediaFacts, grid_s: float) -> Watching:
        """Return who watches the people in a file, looking every ``grid_s`` seconds.

        Raises:
            MediaError: kind ``crash``, the process that would cannot be started.
        """
        detector, prepare = self.predictor.detector, self.predictor.loaded.prepare
        if self._watcher is None or not pays(facts):
            return WatchingHere(PeopleWatcher(detector, settings=prepare, grid_s=grid_s))
        return self._watcher.begin(min_face_px=detector.min_face_px, prepare=prepare, grid_s=grid_s)

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
