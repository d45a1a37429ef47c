"""An audit as tables and lines that can be read on a terminal or in a log."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.padding import Padding

from mesmer.dataset.audit_record import Audit
from mesmer.report import audit_grids
from mesmer.report.audit_grids import shown
from mesmer.report.text_grids import print_grid

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_RULES_SHOWN = 20
_IDS_SHOWN = 3


def print_audit(audit: Audit, *, file: TextIO, width: int | None = None) -> None:
    """Print ``audit``: its tables, then the findings, worst first, so that they stand where one looks last.

    Args:
        file: where to print; colours and lines adapt to whether it is a terminal.
        width: columns of text; None asks the terminal (120 where there is none).
    """
    # Names come from strangers' files: nothing in them is markup.
    console = Console(file=file, highlight=False, markup=False, emoji=False)
    if width is not None or not console.is_terminal:
        console = Console(file=file, highlight=False, markup=False, emoji=False, width=width or 120)
    console.print(f"{shown(audit.name)}: {audit.source} of the corpus {shown(audit.corpus)}", style="bold")
    grids = [
        audit_grids.size_grid(audit),
        audit_grids.label_grid(audit),
        audit_grids.present_grid(audit),
        audit_grids.together_grid(audit),
        audit_grids.leak_grid(audit),
        audit_grids.flaw_grid(audit),
        audit_grids.removed_grid(audit, rules=_RULES_SHOWN),
    ]
    for grid in grids:
        if grid:
            print_grid(console, grid)
    console.print(f"Findings: {audit_grids.verdict(audit)}.", style="bold")
    for finding in audit.findings:
        console.print(
            f"{finding.severity} ({finding.kind}): {shown(finding.sentence, 1000)}", style=_STYLES[finding.severity]
        )
        names = [" = ".join(shown(name, 40) for name in group[:4]) for group in finding.groups]
        names = [*(shown(name, 60) for name in finding.ids), *names]
        if names:
            more = f", … ({len(names):,} in --json)" if len(names) > _IDS_SHOWN else ""
            console.print(Padding(", ".join(names[:_IDS_SHOWN]) + more, (0, 0, 0, 4)), style="dim")
