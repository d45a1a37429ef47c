"""``mesmer report``: the page of a result again, or several results compared in one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mesmer.cli.parser import Parser

HELP = "make the page of a result, or one that compares several"
DESCRIPTION = "Make the HTML page of a result of `mesmer analyze` again, or one page that compares several results."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "results", metavar="RESULT", nargs="+", type=str, help="folder of a result (or of several), or analysis.json"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=str, help="the page; else report.html beside one result, or comparison.html"
    )
    parser.add_argument("--blur-faces", action="store_true", help="blur the pictures of faces")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Read the results, write the page and say where it is."""
    from mesmer.report.result_report import write_report

    page = write_report(arguments.results, out=arguments.out, blur_faces=arguments.blur_faces)
    print(json.dumps({"report": str(page), "size_bytes": page.stat().st_size}) if arguments.json else f"written to {page}")
    return 0
