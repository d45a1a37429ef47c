"""The results that the paper prints, in percent, to stand beside ours where the corpus is the same.

Accuracy of Table 3 is the plain one, of Table 4 the weighted one; "#FLOPs (x 10^9)" is said to be per second, and cannot be
derived from any number of frames and chunks the paper names: it is shown, not compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mesmer.experiments.result import PaperNumbers

IEMOCAP_EMOTIONS = ("anger", "excitement", "frustration", "happiness", "neutral", "sadness")
MOSEI_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")

METRIC_OF: Mapping[str, str] = {"iemocap": "accuracy", "cmu_mosei": "weighted_accuracy"}
"""Corpus -> the metric the paper prints beside F1 (section 5.1)."""


def _row(metric: str, emotions: Sequence[str], numbers: Sequence[float], giga_flops: float | None = None) -> PaperNumbers:
    """Return a printed line: metric and F1 of each emotion in turn, then of the average."""
    pairs = [{metric: numbers[i], "f1": numbers[i + 1]} for i in range(0, len(numbers), 2)]
    return PaperNumbers(per_emotion=dict(zip(emotions, pairs[:-1], strict=True)), average=pairs[-1], giga_flops=giga_flops)


def _table_3(*numbers: float, giga_flops: float | None = None) -> PaperNumbers:
    return _row("accuracy", IEMOCAP_EMOTIONS, numbers, giga_flops)


def _table_4(*numbers: float, giga_flops: float | None = None) -> PaperNumbers:
    return _row("weighted_accuracy", MOSEI_EMOTIONS, numbers, giga_flops)


def _average(accuracy: float, f1: float) -> PaperNumbers:
    return PaperNumbers(average={"accuracy": accuracy, "f1": f1}, per_emotion={})


TABLE_3: Mapping[str, PaperNumbers] = {
    "lf_lstm": _table_3(71.2, 49.4, 79.3, 57.2, 68.2, 51.5, 67.2, 37.6, 66.5, 47.0, 78.2, 54.0, 71.8, 49.5),
    "lf_transformer": _table_3(81.9, 50.7, 85.3, 57.3, 60.5, 49.3, 85.2, 37.6, 72.4, 49.7, 87.4, 57.4, 78.8, 50.3),
    "emo_embs": _table_3(65.9, 48.9, 73.5, 58.3, 68.5, 52.0, 69.6, 38.3, 73.6, 48.7, 80.8, 53.0, 72.0, 49.8),
    "mult": _table_3(77.9, 60.7, 76.9, 58.0, 72.4, 57.0, 80.0, 46.8, 74.9, 53.7, 83.5, 65.4, 77.6, 56.9),
    "fe2e": _table_3(88.7, 63.9, 89.1, 61.9, 71.2, 57.8, 90.0, 44.8, 79.1, 58.4, 89.1, 65.7, 84.5, 58.8, giga_flops=8.65),
    "mesm": _table_3(88.2, 62.8, 88.3, 61.2, 74.9, 58.4, 89.5, 47.3, 77.0, 52.0, 88.6, 62.2, 84.4, 57.4, giga_flops=5.18),
}
"""Model -> its line of Table 3, IEMOCAP. MESM's is of p = 0.7."""

TABLE_4: Mapping[str, PaperNumbers] = {
    "lf_lstm": _table_4(64.5, 47.1, 70.5, 49.8, 61.7, 22.2, 61.3, 73.2, 63.4, 47.2, 57.1, 20.6, 63.1, 43.3),
    "lf_transformer": _table_4(65.3, 47.7, 74.4, 51.9, 62.1, 24.0, 60.6, 72.9, 60.1, 45.5, 62.1, 24.2, 64.1, 44.4),
    "emo_embs": _table_4(66.8, 49.4, 69.6, 48.7, 63.8, 23.4, 61.2, 71.9, 60.5, 47.5, 63.3, 24.0, 64.2, 44.2),
    "mult": _table_4(64.9, 47.5, 71.6, 49.3, 62.9, 25.3, 67.2, 75.4, 64.0, 48.3, 61.4, 25.6, 65.4, 45.2),
    "fe2e": _table_4(67.0, 49.6, 77.7, 57.1, 63.8, 26.8, 65.4, 72.6, 65.2, 49.0, 66.7, 29.1, 67.6, 47.4, giga_flops=8.65),
    "mesm": _table_4(66.8, 49.3, 75.6, 56.4, 65.8, 28.9, 64.1, 72.3, 63.0, 46.6, 65.7, 27.2, 66.8, 46.8, giga_flops=4.34),
}
"""Model -> its line of Table 4, CMU-MOSEI. MESM's is of p = 0.5."""

TABLE_5: Mapping[tuple[str, str], PaperNumbers] = {
    ("fe2e", "TAV"): _average(84.5, 58.5),
    ("fe2e", "TA"): _average(83.7, 54.0),
    ("fe2e", "TV"): _average(82.8, 55.7),
    ("fe2e", "AV"): _average(81.2, 54.4),
    ("fe2e", "T"): _average(80.8, 50.0),
    ("fe2e", "A"): _average(73.3, 44.9),
    ("fe2e", "V"): _average(78.2, 49.8),
    ("mesm", "TAV"): _average(84.4, 57.3),
    ("mesm", "TA"): _average(83.6, 56.7),
    ("mesm", "TV"): _average(82.1, 56.0),
}
"""Model and modalities -> its line of Table 5, IEMOCAP."""

TABLE_5_NOTE = "The paper prints FE2E's average F1 as 58.8 in Table 3 and 58.5 in Table 5, MESM's as 57.4 and 57.3."


def on_same_data(table: str, corpus: str, emotions: Sequence[str]) -> bool:
    """Whether a table of the paper is about this corpus with this label set."""
    about = {"table3": IEMOCAP_EMOTIONS, "table4": MOSEI_EMOTIONS, "table5": IEMOCAP_EMOTIONS}[table]
    return METRIC_OF.get(corpus) == ("weighted_accuracy" if table == "table4" else "accuracy") and set(emotions) == set(
        about
    )
