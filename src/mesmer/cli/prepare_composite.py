"""``mesmer prepare composite``: a sentence, a voice and faces that share their labels, from different people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser

HELP = "sentence, voice and faces of different people, put together"
DESCRIPTION = (
    "Put a composite corpus together from three prepared datasets: each utterance is a sentence, a voice and a sequence of "
    "faces that share their labels, from different people."
)


def composite_parser() -> Parser:
    """Return the parser of this kind of corpus."""
    from mesmer.dataset.composite.build import SIZE

    parser = Parser(description=DESCRIPTION)
    parser.add_argument("--faces", metavar="PREPARED", type=str, required=True, help="prepared dataset of faces")
    parser.add_argument("--voices", metavar="PREPARED", type=str, required=True, help="prepared dataset of voices")
    parser.add_argument("--words", metavar="PREPARED", type=str, required=True, help="prepared dataset of sentences")
    parser.add_argument("--out", metavar="DIR", type=str, required=True, help="folder of the prepared dataset")
    parser.add_argument("--size", metavar="N", type=int, default=SIZE, help="utterances in all splits together")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="of everything drawn")
    parser.add_argument("--workers", type=int, default=1, help="processes; 0 works in this one; the result is the same")
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and write nothing")
    return parser


def prepare_composite(arguments: Any) -> int:
    """Make the composite, or say what it would be, and return the exit code."""
    from mesmer.dataset.composite.build import Composite
    from mesmer.report.composite_text import composite_text
    from mesmer.report.prepare_text import prepared_text
    from mesmer.training.progress import Counter

    print("reading the sources", file=sys.stderr)
    folders = {"text": arguments.words, "audio": arguments.voices, "visual": arguments.faces}
    composite = Composite(folders, size=arguments.size, seed=arguments.seed)
    if arguments.dry_run:
        print(composite_text(composite.outlook(), Path(arguments.out)))
        return 0
    with Counter("preparing", file=sys.stderr) as counter:
        composite.prepare(arguments.out, workers=arguments.workers, progress=counter)
    print(prepared_text(Path(arguments.out)))
    print(composite.independence().words)
    return 0
