"""Does a learnt mask keep what matters? One modality alone, real recordings, masks compared at equal density.

    python benchmarks/mask_learning.py faces --data fer2013.parquet --work WORK            # train what is missing
    python benchmarks/mask_learning.py voices --data ravdess_speech.parquet --work WORK
    python benchmarks/mask_learning.py drawn --work WORK                                   # faces of the synthetic corpus
    python benchmarks/mask_learning.py faces --data fer2013.parquet --work WORK --table    # read the test part, once

Every seed (faces) or fold of actors (voices) begins with one dense training; from there each mask goes on for as many
steps as the dense network does, the density falling to what is wanted. Every part can be stopped and is resumed. Choices
are made on the validation part; ``--table`` alone reads the test part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from masks.study import SMOKE, STUDIES, run_study
from masks.tables import print_tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--data", type=Path, help="the Parquet table of FER2013 or of RAVDESS speech")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs; give it again to go on")
    parser.add_argument("--width", type=int, help="channels of the stem (published: 64)")
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds, or folds of actors")
    parser.add_argument("--masks", nargs="+", help="only these")
    parser.add_argument("--densities", type=float, nargs="+", help="means over the blocks (default .5 .3)")
    parser.add_argument("--start", type=Path, help="run of mesmer train to go on from, instead of a dense start per seed")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--dense-epochs", type=int, help="of the shared dense start")
    parser.add_argument("--sparse-epochs", type=int, help="of every mask, and of the dense network beside them")
    parser.add_argument("--patched", type=float, help="share of the training faces of which some patches are hidden")
    parser.add_argument("--drawn-faces", type=int, help="to train on, of the study of drawn faces")
    parser.add_argument("--limit", type=int, help="only so many training examples (a trial, not a result)")
    parser.add_argument("--smoke", action="store_true", help="a minute of drawn faces, whatever else is said")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="of the products while training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--table", action="store_true", help="score the finished runs on the test part and print the tables"
    )
    parser.add_argument("--models", type=Path, help="save the networks to this folder, for mesmer explain")
    parser.add_argument("--json", type=Path, help="save the scores to this file (with --table)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = SMOKE if options.smoke else STUDIES[options.study]
    study = chosen.but(
        width=options.width, seeds=options.seeds, masks=options.masks, densities=options.densities,
        dense_epochs=options.dense_epochs, sparse_epochs=options.sparse_epochs, limit=options.limit, device=options.device,
        precision=options.precision, start=options.start, learning_rate=options.learning_rate, patched=options.patched,
        drawn=chosen.drawn | {"train": options.drawn_faces} if options.drawn_faces else None,
    )  # fmt: skip
    scores = run_study(study, data=options.data, work=options.work, test=options.table, models=options.models)
    if options.table:
        print_tables(study, scores, json_file=options.json)


if __name__ == "__main__":
    main()
