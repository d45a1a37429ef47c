"""How well each landmark measure follows the action unit whose muscle it looks at, on drawn faces whose units are known.

    mesmer prepare synthetic small --size small --seed 0
    python benchmarks/landmark_measures.py small small/raw/truth.jsonl --split test

Prints a table: Pearson correlation of the measure with the unit's drawn strength, over all faces of the split, and of the
measure's change with the strength less the clip's median strength; and how often a face with the unit (strength from 0.4)
has the larger measure than a face without it (0.5 is chance).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

from mesmer.dataset.prepared import PreparedDataset
from mesmer.signals.handcrafted.landmark_measures import COLUMNS, UNITS, landmark_measures
from mesmer.signals.handcrafted.landmark_net import load_landmark_net

STRONG = 0.4
DRAWN_AS = {45: 43}
"""Closed eyes have one number as a blink and another as an expression."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="prepared synthetic dataset")
    parser.add_argument("truth", type=Path, help="its truth.jsonl")
    parser.add_argument("--split", default="test")
    chosen = parser.parse_args()
    truth = {row["id"]: row["visual"] for row in map(json.loads, chosen.truth.read_text().splitlines())}
    net = load_landmark_net()
    measured, drawn, moved = [], [], []
    for clip in PreparedDataset.open(chosen.dataset).split(chosen.split):
        times_s = np.array(truth[clip.id]["times_s"])
        nearest = np.abs(times_s[None] - clip.face_times_s[:, None]).argmin(axis=1)
        none = np.zeros(len(times_s))
        units = [truth[clip.id]["action_units"].get(f"AU{DRAWN_AS.get(unit, unit)}", none) for unit in UNITS.values()]
        strength = np.array(units).T[nearest]
        measured.append(landmark_measures(clip.faces, net))
        drawn.append(strength)
        moved.append(strength - np.median(strength, axis=0))
    print_table(np.concatenate(measured), np.concatenate(drawn), np.concatenate(moved))


def print_table(measured: np.ndarray, drawn: np.ndarray, moved: np.ndarray) -> None:
    print(f"{len(measured)} faces\n")
    print("| measure | unit | faces with it | correlation | of the change | with over without |")
    print("|---|---|---|---|---|---|")
    for place, (name, unit) in enumerate(UNITS.items()):
        strength = drawn[:, place]
        strong = strength >= STRONG
        if not strong.any():
            continue
        level = measured[:, place]
        follows = np.corrcoef(level, strength)[0, 1]
        column = COLUMNS.index(f"{name}_change") if f"{name}_change" in COLUMNS else None
        change = "-" if column is None else f"{np.corrcoef(measured[:, column], moved[:, place])[0, 1]:.2f}"
        larger = mannwhitneyu(level[strong], level[strength == 0]).statistic / (strong.sum() * (strength == 0).sum())
        print(f"| {name} | {DRAWN_AS.get(unit, unit)} | {strong.sum()} | {follows:.2f} | {change} | {larger:.2f} |")


if __name__ == "__main__":
    main()
