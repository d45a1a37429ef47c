"""One evaluation of anybody's scores: score files in, the table out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.errors import DataError
from mesmer.evaluation.answers import Truth, thresholded
from mesmer.evaluation.evaluate import Evaluation, named_thresholds
from mesmer.evaluation.score_files import ScoreFile
from mesmer.evaluation.table import Resampling, make_table
from mesmer.evaluation.thresholds import choose_thresholds
from mesmer.evaluation.trivial import prior_of


def evaluate_scores(
    scores: ScoreFile,
    *,
    validation: ScoreFile | None = None,
    thresholds: Mapping[str, float] | float | None = None,
    resampling: Resampling | None = None,
) -> Evaluation:
    """Evaluate somebody's scores.

    Args:
        validation: scores of the same answerer on a validation split: thresholds of highest F1 are chosen there, and the
            prior of the trivial answers is counted there.
        thresholds: in their place; a number is one for all. Without either they are 0.5.

    Raises:
        DataError: the emotions of the two files differ, or both kinds of thresholds are given.
    """
    emotions = scores.truth.emotions
    if validation is None:
        chosen, source = named_thresholds(thresholds, emotions)
        prior = prior_of(scores.truth.labels, emotions, source="counted on these very utterances")
        warnings: list[str] = []
    else:
        if thresholds is not None:
            raise DataError("thresholds are given, and scores to choose them on", remedy="give one of the two")
        held = _in_order(validation, emotions, scores.path)
        chosen = choose_thresholds(held.labels, _columns(validation, emotions), emotions)
        source = f"chosen on {validation.path.name} for highest F1"
        prior = prior_of(held.labels, emotions, source=f"counted on {validation.path.name}")
        warnings = _shared(scores, validation)
    answer = thresholded(
        name="scores",
        title=scores.path.name,
        probabilities=scores.scores,
        emotions=emotions,
        thresholds=chosen,
        thresholds_from=source,
    )
    table = make_table(
        name=scores.path.name, truth=scores.truth, answers=(answer,), prior=prior, resampling=resampling, warnings=warnings
    )
    return Evaluation(table=table, truth=scores.truth, answers=(answer,))


def _in_order(validation: ScoreFile, emotions: tuple[str, ...], path: Path) -> Truth:
    """Return the validation file's truth with its emotions in this order.

    Raises:
        DataError: it speaks of other emotions.
    """
    theirs = validation.truth
    if set(theirs.emotions) != set(emotions):
        odd = sorted(set(theirs.emotions) ^ set(emotions))[0]
        raise DataError(f"other emotions than in {path}", file=validation.path, field=odd)
    columns = [theirs.emotions.index(name) for name in emotions]
    return Truth(ids=theirs.ids, speakers=theirs.speakers, emotions=emotions, labels=theirs.labels[:, columns])


def _columns(scores: ScoreFile, emotions: tuple[str, ...]) -> NDArray[np.float64]:
    return scores.scores[:, [scores.truth.emotions.index(name) for name in emotions]]


def _shared(scores: ScoreFile, validation: ScoreFile) -> list[str]:
    """Return sentences about what the scored utterances share with those the thresholds were chosen on."""
    warnings = []
    here, there = scores.truth, validation.truth
    same = set(here.ids) & set(there.ids)
    if same:
        warnings.append(
            f"{len(same):,} of the {len(here.ids):,} ids are also in {validation.path.name}, where thresholds were chosen"
        )
    speakers = {name for name in here.speakers if name is not None}
    shared = speakers & set(there.speakers)
    if shared:
        warnings.append(f"{len(shared):,} of the {len(speakers):,} speakers are also in {validation.path.name}")
    return warnings
