"""An explanation as a few lines that can be read on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from mesmer.explain.explanation import Explanation
from mesmer.records import MODALITIES
from mesmer.report.audit_grids import shown

_WORDS = 5


def print_explanation(explanation: Explanation, paths: Sequence[Path], *, file: TextIO) -> None:
    """Print each modality's part in each emotion, the words that matter most, and whether the marks can be trusted."""
    decided = ", ".join(explanation.decisions) or "none of " + ", ".join(explanation.emotions)
    print(f"{shown(explanation.clip.id, 80)}: expressed: {decided}", file=file)
    parts = [name for name in MODALITIES if name in explanation.shares]
    width = max(len(name) for name in explanation.emotions)
    print(f"parts of the log-odds{'':<{max(0, width - 18)}}" + "".join(f"{name:>9}" for name in [*parts, "sum"]), file=file)
    for place in sorted(range(len(explanation.emotions)), key=lambda i: -explanation.log_odds[i]):
        values = [*(explanation.shares[name][place] for name in parts), explanation.log_odds[place]]
        print(
            f"   {explanation.emotions[place]:<{max(width, 18)}}" + "".join(f"{value:>+9.2f}" for value in values),
            file=file,
        )
    leading = explanation.emotions[explanation.leading]
    words = explanation.words
    if words is not None and len(words.spans):
        effect = words.influence[:, explanation.leading]
        strongest = sorted(range(len(effect)), key=lambda i: -abs(effect[i]))[:_WORDS]
        told = ", ".join(f"{shown(explanation.clip.text[slice(*words.spans[i])], 24)} {effect[i]:+.2f}" for i in strongest)
        print(f"words and {leading}: {told}", file=file)
    for name, test in explanation.tests.items():
        verdict = "beats" if test.beats_random else "does not beat"
        most = max(test.random)
        print(
            f"{name} marks: the map {verdict} a random one (blurring it moves {test.emotion} by {test.change:.2f}, "
            f"{len(test.random)} random maps by up to {most:.2f})",
            file=file,
        )
    for missing, reason in explanation.clip.absent.items():
        print(f"note: {missing} absent: {reason}", file=file)
    print(f"{len(paths)} files in {paths[0].parent}", file=file)
