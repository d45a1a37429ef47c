"""What a composite corpus is going to be, as plain text."""

from __future__ import annotations

from pathlib import Path

from mesmer.dataset.composite.build import NOTE, Outlook
from mesmer.dataset.composite.sources import PART_OF
from mesmer.dataset.facts import FACTS_FILE
from mesmer.records import SPLITS


def composite_text(outlook: Outlook, out: Path) -> str:
    """Return what would be made, of what, and how large it would be."""
    sizes = ", ".join(f"{split} {outlook.sizes[split]:,}" for split in SPLITS)
    lines = [
        "nothing is written: this is what would be done",
        f"{sum(outlook.sizes.values()):,} utterances would be made in {out} ({sizes})",
        f"note: {NOTE}",
        "labels: " + ", ".join(f"{name} {count:,}" for name, count in outlook.labels.items()),
    ]
    for modality, option in PART_OF.items():
        used = ", ".join(f"{split} {outlook.used[modality][split]:,}" for split in SPLITS)
        lines.append(f"different {option} used: {used}")
        lines += [f"{count:>8,}  {option} not used: {reason}" for reason, count in outlook.left_out[modality].items()]
    lines.append(outlook.independence.words)
    lines.append(f"about {outlook.bytes / 1e6:,.0f} MB of dataset, and as much again while it is made")
    if (out / FACTS_FILE).exists():
        lines.append(f"{out} holds a prepared dataset already: the same one would stay, another would be refused")
    return "\n".join(lines)
