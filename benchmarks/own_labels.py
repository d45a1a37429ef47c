"""Labels that a model of six emotions was never taught, on a synthetic corpus it has not seen: for ``mesmer finetune``.

    mesmer prepare synthetic new --size small --seed 7
    python benchmarks/own_labels.py new/raw own
    mesmer prepare folder own/manifest.jsonl own/data --emotions hostile,said,shown
    mesmer finetune --data own/data --from demo/run --run own/run --map own/map.yaml --threads 1

Writes a manifest and a mapping for comparison. The labels follow from what the corpus knows: *hostile* (anger or disgust),
and with it either *said* and *shown* (some emotion carried by the words, by the face), or with ``--labels strong,masked``
*strong* (an intensity of 0.7 or more) and *masked* (some emotion that the face does not carry). Speakers 0 to 8 train (200
utterances at most), 9 to 13 validate, the others test, of ``said,shown`` only those below 30.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mesmer.corpora.synthetic import read_truth
from mesmer.emotions import SIX_EMOTIONS

TRAIN_SPEAKERS, VALID_SPEAKERS = 9, 14
MOST_TRAIN = 200
TEST_SPEAKERS = {"said,shown": 30, "strong,masked": 40}
HOSTILE = ("anger", "disgust")
RULES: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "hostile": lambda truth: any(emotion in truth["labels"] for emotion in HOSTILE),
    "said": lambda truth: any("text" in carriers for carriers in truth["carriers"].values()),
    "shown": lambda truth: any("visual" in carriers for carriers in truth["carriers"].values()),
    "strong": lambda truth: any(intensity >= 0.7 for intensity in truth["labels"].values()),
    "masked": lambda truth: any("visual" not in carriers for carriers in truth["carriers"].values()),
}


def split_of(speaker: int, *, below: int) -> str | None:
    if speaker >= below:
        return None
    return "train" if speaker < TRAIN_SPEAKERS else "valid" if speaker < VALID_SPEAKERS else "test"


def rows(raw: Path, names: Sequence[str], *, below: int) -> list[dict[str, Any]]:
    """Return the manifest's lines."""
    chosen: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for truth in read_truth(raw):
        split = split_of(int(truth["speaker"].removeprefix("s")), below=below)
        if split is None or (split == "train" and counts[split] == MOST_TRAIN):
            continue
        counts[split] += 1
        row = {"path": str(raw.resolve() / "media" / f"{truth['id']}.mp4"), "id": truth["id"], "speaker": truth["speaker"]}
        labels = {name: 1.0 for name in names if RULES[name](truth)}
        chosen.append({**row, "text": truth["text"]["sentence"], "labels": labels, "split": split})
    print(", ".join(f"{counts[split]} {split}" for split in ("train", "valid", "test")))
    return chosen


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, help="folder of the synthetic corpus, with its truth.jsonl")
    parser.add_argument("out", type=Path, help="folder for manifest.jsonl and map.yaml")
    parser.add_argument("--labels", choices=list(TEST_SPEAKERS), default="said,shown")
    chosen = parser.parse_args(words)
    names = ["hostile", *chosen.labels.split(",")]
    chosen.out.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) + "\n" for row in rows(chosen.raw, names, below=TEST_SPEAKERS[chosen.labels])]
    (chosen.out / "manifest.jsonl").write_text("".join(lines))
    stands_for = {name: list(HOSTILE if name == "hostile" else SIX_EMOTIONS) for name in names}
    (chosen.out / "map.yaml").write_text("".join(f"{name}: [{', '.join(of)}]\n" for name, of in stands_for.items()))


if __name__ == "__main__":
    main()
