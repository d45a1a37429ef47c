"""Which utterance stands for an emotion in the paper's figures."""

from __future__ import annotations

from mesmer.dataset.prepared import PreparedSplit
from mesmer.errors import DataError
from mesmer.explain.explainer import Explainer
from mesmer.explain.explanation import Explanation
from mesmer.records import MODALITIES

MOST_TRIED = 12
"""Utterances that are looked at for each emotion."""


def one_per_emotion(explainer: Explainer, split: PreparedSplit) -> list[tuple[str, Explanation]]:
    """Return, for each emotion, the explanation of an utterance that expresses it.

    Of the first :data:`MOST_TRIED` utterances labelled with it that have a picture and sound, the one in whose picture the
    model finds it most; the labels decide what is tried, so the rows show good cases, not typical ones. An emotion that no
    such utterance carries has no row.

    Raises:
        DataError: the dataset has other emotions than the model, or no utterance will do.
    """
    emotions = explainer.loaded.model.settings.emotions
    if set(split.emotions) != set(emotions):
        raise DataError("the dataset has other emotions than the model", field="emotions", remedy="use the model's data")
    chosen: list[tuple[str, Explanation]] = []
    labels = split.labels
    for emotion in emotions:
        column = split.emotions.index(emotion)
        usable = split.present[:, 1:].all(axis=1) & (labels[:, column] > 0)
        alone = (labels > 0).sum(axis=1) == 1
        rows = [row for row in range(len(split)) if usable[row]]
        rows.sort(key=lambda row: not alone[row])  # those that express nothing else come first
        if rows:
            clips = [split[row] for row in rows[:MOST_TRIED]]
            place = emotions.index(emotion)
            seen = explainer.shares(clips)[:, MODALITIES.index("visual"), place]
            chosen.append((emotion, explainer.explain(clips[int(seen.argmax())])))
    if not chosen:
        raise DataError("no labelled utterance has both a picture and sound", field="split", remedy="choose another split")
    return chosen
