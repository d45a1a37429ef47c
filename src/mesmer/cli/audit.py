"""``mesmer audit``: what is in a prepared dataset or in lists of ids, what its splits share, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.errors import ConfigError

HELP = "tell the truth about a dataset: counts, leakage, flaws"
DESCRIPTION = "Count a prepared dataset, and say what its splits share and what is missing, damaged or there twice."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("dataset", metavar="DATASET", nargs="?", type=str, help="prepared dataset")
    parser.add_argument("--splits", metavar="FOLDER", type=str, help="instead: a folder of id lists, without media")
    parser.add_argument("--corpus", metavar="NAME", type=str, help="with --splits: iemocap or cmu_mosei")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--html", metavar="FILE", type=str, help="also write one page with plots")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where there is an error or a warning")
    parser.add_argument("--allow", metavar="KINDS", type=str, default="", help="what --strict lets pass: no_face,silent")


def run(arguments: Any) -> int:
    """Audit, print, and write the page."""
    allow = [kind.strip() for kind in arguments.allow.split(",") if kind.strip()]
    if (arguments.dataset is None) == (arguments.splits is None):
        raise ConfigError("name either a prepared dataset or --splits", remedy="see mesmer audit --help")
    if (arguments.splits is None) != (arguments.corpus is None):
        raise ConfigError("--splits and --corpus go together", remedy="give --splits FOLDER --corpus iemocap or cmu_mosei")

    from mesmer.dataset.audit import audit_dataset, audit_id_lists
    from mesmer.report.audit_table import print_audit
    from mesmer.training.progress import Counter

    if arguments.splits is not None:
        audit = audit_id_lists(arguments.splits, corpus=arguments.corpus)
    else:
        with Counter("reading", file=sys.stderr) as counter:
            audit = audit_dataset(arguments.dataset, progress=counter)
    wrong = audit.wrong(allow=allow)
    if arguments.html is not None:
        from mesmer.report.audit_page import audit_page
        from mesmer.storage.atomic import write_text

        write_text(Path(arguments.html), audit_page(audit))
    if arguments.json:
        print(json.dumps(audit.to_json(), allow_nan=False))
    else:
        print_audit(audit, file=sys.stdout)
    return 1 if arguments.strict and wrong else 0
