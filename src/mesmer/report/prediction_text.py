"""A prediction as a few lines that can be read on a terminal or in a log."""

from __future__ import annotations

from typing import TextIO

from mesmer.records import Prediction

_BAR_WIDTH = 30


def print_prediction(prediction: Prediction, *, file: TextIO) -> None:
    """Print the decisions, every probability against its threshold, what was read and what a user should know."""
    decided = ", ".join(prediction.decisions) or "none of " + ", ".join(prediction.probabilities)
    print(f"{prediction.id}: expressed: {decided}", file=file)
    width = max(len(name) for name in prediction.probabilities)
    for name, probability in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        bar = "#" * round(_BAR_WIDTH * probability)
        mark = "*" if name in prediction.decisions else " "
        limit = prediction.thresholds[name]
        doubt = " unsure" if name in prediction.unsure else ""
        print(f" {mark} {name:<{width}} {probability:5.2f} (threshold {limit:.2f}) {bar}{doubt}", file=file)
    print("read: " + ", ".join(prediction.modalities_used), file=file)
    for warning in prediction.warnings:
        print(f"note: {warning}", file=file)
    cost = prediction.cost
    done, dense = cost["multiply_adds"], cost["dense_multiply_adds"]
    share = f", {100 * done / dense:.0f} % of what skipping nothing costs" if done < dense else ""
    millions = f"{done / 1e6:.0f}" if done >= 1e7 else f"{done / 1e6:.1f}"
    print(f"cost: {millions} M multiply-adds{share}; {cost['seconds_total']:.2f} s in all", file=file)
