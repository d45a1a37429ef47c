"""Warnings that belong above a table: what the evaluated split shares with the splits that made the model."""

from __future__ import annotations

from mesmer.dataset.audit_leakage import Leakage
from mesmer.dataset.prepared import PreparedDataset
from mesmer.records import SPLITS

_UNITS = ("speaker", "dialogue")


def leakage_warnings(dataset: PreparedDataset, split: str, *, trained_on: str | None) -> tuple[str, ...]:
    """Return sentences about speakers and dialogues that ``split`` shares with train and valid; empty where there are none.

    Args:
        split: the one evaluated.
        trained_on: fingerprint of the dataset the model says it was trained on; None where it does not say.
    """
    if split == "train":
        return ("the model was trained on these very utterances",)
    warnings = []
    if trained_on != dataset.fingerprint:
        what = "does not say what it was trained on" if trained_on is None else "was trained on another dataset than this"
        warnings.append(f"the model {what}: whether it has seen these speakers in training is not known")
    seen = Leakage(_UNITS)
    for name in SPLITS:
        part = dataset.split(name)
        for speaker, dialogue in zip(part.speakers, part.dialogues, strict=True):
            seen.add(name, {"speaker": speaker, "dialogue": dialogue})
    for leak in seen.leaks():
        if leak.of == split and (leak.shared or (leak.unit == "speaker" and not leak.known)):
            warnings.append(leak.sentence)
    if split == "valid":
        warnings.append("thresholds and calibration were fitted on these very utterances")
    return tuple(warnings)
