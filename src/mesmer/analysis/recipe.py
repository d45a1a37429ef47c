"""All that it takes to open an :class:`~mesmer.analysis.analyze.Analyzer`, as plain values that go to other processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mesmer.analysis.analyze import Analyzer
from mesmer.analysis.asr import Whisper
from mesmer.analysis.budget import choose
from mesmer.analysis.utterances import UtteranceSettings


@dataclass(frozen=True, kw_only=True)
class AnalyzerRecipe:
    """How an analyzer is made.

    Attributes:
        model: folder, name or hub id of a model, or folder of a run; None is the default model.
        top_p: nucleus mass of the sparse blocks; None leaves the model's own.
        whisper, language: the model that writes down what is said, if any, and its language.
        gaps: stretches without speech become utterances too.
        budget: what it may cost, in multiples of real time; None leaves the settings.
    """

    model: str | None
    top_p: float | None = None
    whisper: str | None = None
    language: str | None = None
    gaps: bool = False
    budget: float | None = None

    def absolute(self) -> AnalyzerRecipe:
        """Return the same with absolute paths, for processes that run elsewhere."""
        model, whisper = (_absolute(name) for name in (self.model, self.whisper))
        return replace(self, model=model, whisper=whisper)

    def open(self, *, beside: bool = True) -> Analyzer:
        """Return the analyzer; a context manager. ``beside``: see there.

        Raises:
            MesmerError: model or Whisper cannot be loaded, a package is missing, or ``top_p`` is refused.
        """
        whisper = None if self.whisper is None else Whisper(self.whisper, language=self.language)
        budget = None if self.budget is None else choose(self.budget)
        settings = UtteranceSettings(gaps=self.gaps)
        return Analyzer(self.model, top_p=self.top_p, whisper=whisper, settings=settings, budget=budget, beside=beside)


def _absolute(name: str | None) -> str | None:
    return str(Path(name).absolute()) if name is not None and Path(name).exists() else name
