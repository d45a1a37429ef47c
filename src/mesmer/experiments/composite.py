"""What a trained model's fusion is worth, and whether the data leak: all seven subsets, each against its best part; each
modality shuffled; all of them shuffled; and the answers against p.

Everything is of one trained model and two splits: thresholds and best parts are chosen on the validation split, numbers are
of the test split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import ConfigError
from mesmer.evaluation.answers import Answer, Truth, thresholded
from mesmer.evaluation.calibration import thresholds_of
from mesmer.evaluation.evaluate import STORED, subset_title
from mesmer.evaluation.leakage import leakage_warnings
from mesmer.evaluation.metrics import positives, score_emotions
from mesmer.evaluation.paired import compare
from mesmer.evaluation.predictions import SplitAnswers
from mesmer.evaluation.reading import answer_rows, open_fitting
from mesmer.evaluation.shuffled import ShuffledSplit, donors_by_chance, donors_of_other_labels
from mesmer.evaluation.table import Resampling, Table, make_table
from mesmer.evaluation.thresholds import decide
from mesmer.evaluation.trivial import prior_of
from mesmer.experiments.ablation import SEVEN
from mesmer.experiments.composite_result import LOSS_ALLOWED, CompositeStudy, CurvePoint, Versus, notes_of
from mesmer.experiments.dial import POINTS
from mesmer.models.loading import LoadedModel
from mesmer.records import MODALITIES

ALL = "TAV"
_CHOSEN = "chosen on the validation split for highest F1, with only these modalities"
_SHUFFLED_TITLES = {"T": "words", "A": "voices", "V": "faces"}


def study_composite(
    loaded: LoadedModel,
    *,
    data: str | Path,
    points: Sequence[float] = POINTS,
    resampling: Resampling | None = None,
    batch_size: int = 16,
    seed: int = 0,
    screen: TextIO | None = None,
) -> CompositeStudy:
    """Study a trained model of all three modalities.

    Args:
        loaded: the model.
        data: the prepared dataset, with a validation and a test split.
        points: values of p, each in (0, 1]; 1 is added.
        resampling: of intervals and paired tests; None is 1,000 resamples with seed 0.
        seed: of the shuffling.
        screen: told how it goes; None tells nobody.

    Raises:
        StaleDatasetError: the dataset was prepared with other settings than the model's training data.
        DataError: the label sets differ, or a split is empty.
        ConfigError: the model is not given all modalities, or a p is not in (0, 1].
    """
    if loaded.model.settings.modalities != ALL:
        raise ConfigError("this needs a model of all three modalities", file=loaded.folder, field="model.modalities")
    if not all(0 < p <= 1 for p in points):
        raise ConfigError("p is above 0 and at most 1", field="--points", remedy="such as 0.1,0.5,1")
    return _Study(loaded, data, resampling or Resampling(), batch_size, seed, screen).run(points)


class _Study:
    """One study: the model, the two splits, and what was answered so far."""

    def __init__(
        self,
        loaded: LoadedModel,
        data: str | Path,
        resampling: Resampling,
        batch_size: int,
        seed: int,
        screen: TextIO | None,
    ) -> None:
        self._loaded, self._model = loaded, loaded.model
        self._dataset = open_fitting(loaded, data)
        self._test, self._resampling, self._batch_size = self._dataset.split("test"), resampling, batch_size
        self._seed, self._screen = seed, screen

    def run(self, points: Sequence[float]) -> CompositeStudy:
        valid = self._said(self._dataset.split("valid"), SEVEN, "all subsets, validation")
        test = self._said(self._test, SEVEN, "all subsets, test")
        truth = self._truth(test)
        answers = {subset: self._answer(subset, valid, test) for subset in SEVEN}
        valid_f1 = {subset: self._f1(valid, answers[subset], subset) for subset in SEVEN}
        shuffled = self._shuffled(answers[ALL])
        table = self._table(truth, [*answers.values(), *shuffled.values()], test)
        curve, curve_table, knee = self._curve(points, truth)
        return CompositeStudy(
            corpus=self._dataset.facts.corpus,
            table=table,
            valid_f1=valid_f1,
            fusions=tuple(
                self._versus(truth, answers[subset], answers[_best_part(subset, valid_f1)])
                for subset in SEVEN
                if len(subset) > 1
            ),
            losses=tuple(self._versus(truth, answers[ALL], other) for other in shuffled.values()),
            curve=curve,
            curve_table=curve_table,
            trained_p=None if curve_table is None else self._model.top_p,
            knee=knee,
            notes=notes_of(table),
        )

    def _shuffled(self, whole: Answer) -> dict[str, Answer]:
        """Return the answers with each modality shuffled, and with all of them."""
        made = {}
        for letter, words in _SHUFFLED_TITLES.items():
            modality = _name_of(letter)
            rows = ShuffledSplit(self._test, {modality: donors_of_other_labels(self._test, modality, seed=self._seed)})
            made[f"{letter} shuffled"] = (rows, f"all, {words} of utterances with other labels")
        every = {modality: donors_by_chance(self._test, modality, seed=self._seed + 1) for modality in MODALITIES}
        made["all shuffled"] = (ShuffledSplit(self._test, every), "all, each of a random other utterance")
        answers = {}
        for name, (rows, title) in made.items():
            said = self._said(rows, (ALL,), name)
            answers[name] = thresholded(
                name=name,
                title=title,
                probabilities=said.probabilities[ALL],
                emotions=self._model.settings.emotions,
                thresholds=dict(whole.thresholds or {}),
                thresholds_from=STORED,
                read=said.read[ALL],
            )
        return answers

    def _curve(self, points: Sequence[float], truth: Truth) -> tuple[tuple[CurvePoint, ...], Table | None, float | None]:
        """Return the points, their table, and the knee."""
        wanted = sorted({*points, 1.0})
        answers, costs, valid_f1 = {}, {}, {}
        for p in wanted:
            valid = self._said(self._dataset.split("valid"), (ALL,), f"p = {p:g}, validation", top_p=p)
            test = self._said(self._test, (ALL,), f"p = {p:g}, test", top_p=p)
            answers[p] = replace(self._answer(ALL, valid, test, chosen=True), name=f"p={p:g}", title=f"p = {p:g}")
            costs[p], valid_f1[p] = float(test.multiply_adds.mean()), self._f1(valid, answers[p], ALL)
            if len(costs) == 1 and (test.multiply_adds == test.dense_multiply_adds).all():
                return (), None, None  # a dense model has no dial
        curve = tuple(
            CurvePoint(
                top_p=p,
                valid_f1=valid_f1[p],
                against_dense=compare(
                    truth, answers[p], answers[1.0], names=(f"p={p:g}", "p=1"), resampling=self._resampling
                ),
                multiply_adds=costs[p],
            )
            for p in wanted
        )
        knee = min(p for p in wanted if valid_f1[p] >= valid_f1[1.0] - LOSS_ALLOWED)
        return curve, self._table(truth, list(answers.values()), None), knee

    def _versus(self, truth: Truth, first: Answer, second: Answer) -> Versus:
        names = (first.name, second.name)
        sentences = replace(truth, speakers=self._test.dialogues)
        return Versus(
            first=first.name,
            second=second.name,
            by_speaker=compare(truth, first, second, names=names, resampling=self._resampling),
            by_sentence=compare(sentences, first, second, names=names, resampling=self._resampling),
        )

    def _said(self, rows: PreparedSplit, subsets: Sequence[str], what: str, *, top_p: float | None = None) -> SplitAnswers:
        if self._screen is not None:
            print(f"answering: {what}", file=self._screen, flush=True)
        return answer_rows(self._loaded, rows, subsets=subsets, batch_size=self._batch_size, top_p=top_p)

    def _answer(self, subset: str, valid: SplitAnswers, test: SplitAnswers, *, chosen: bool = False) -> Answer:
        """Return what a subset answers; the full model's thresholds are those stored in it unless they are ``chosen``."""
        stored = subset == ALL and not chosen
        return thresholded(
            name=subset,
            title=subset_title(subset),
            probabilities=test.probabilities[subset],
            emotions=self._model.settings.emotions,
            thresholds=self._model.thresholds if stored else thresholds_of(self._model, valid, subset),
            thresholds_from=STORED if stored else _CHOSEN,
            read=test.read[subset],
        )

    def _f1(self, said: SplitAnswers, answer: Answer, subset: str) -> float:
        """Return the average F1 of a subset on the split that was answered, with the thresholds of ``answer``."""
        emotions = self._model.settings.emotions
        decisions = decide(said.probabilities[subset], answer.thresholds or {}, emotions) & said.read[subset][:, None]
        return float(score_emotions(said.labels, decisions, emotions)[1].f1)

    def _truth(self, said: SplitAnswers) -> Truth:
        return Truth(
            ids=said.ids,
            speakers=self._test.speakers,
            emotions=self._model.settings.emotions,
            labels=positives(said.labels),
        )

    def _table(self, truth: Truth, answers: Sequence[Answer], said: SplitAnswers | None) -> Table:
        fingerprint = self._loaded.extra.get("data")
        trained_on = fingerprint if isinstance(fingerprint, str) else None
        return make_table(
            name="test",
            truth=truth,
            answers=answers,
            prior=prior_of(self._dataset.split("train").labels, truth.emotions, source="counted on the training split"),
            resampling=self._resampling,
            warnings=(*self._dataset.facts.notes, *leakage_warnings(self._dataset, "test", trained_on=trained_on)),
            multiply_adds=None if said is None else float(said.multiply_adds.mean()),
            dense_multiply_adds=None if said is None else float(said.dense_multiply_adds.mean()),
        )


def _best_part(subset: str, valid_f1: Mapping[str, float]) -> str:
    """Return the best proper part of a subset on the validation split."""
    return max((part for part in SEVEN if set(part) < set(subset)), key=lambda part: valid_f1[part])


def _name_of(letter: str) -> str:
    return next(name for name in MODALITIES if name[0].upper() == letter)
