"""An audit as one HTML page that opens from the disk: no script, no network, nothing of a name or a transcript can run.

Every text goes through the escaping of the template, and a policy in the page's head forbids scripts and requests besides.
"""

from __future__ import annotations

from mesmer.dataset.audit_record import KINDS, SEVERITIES, Audit, Finding
from mesmer.report import audit_grids
from mesmer.report.audit_grids import Grid, shown
from mesmer.report.audit_plots import BARS_FROM, BARS_WIDTH, WIDTH, audit_plots
from mesmer.report.html_pages import page_template

_RULES_SHOWN = 100
_NAMES_SHOWN = 100


def audit_page(audit: Audit) -> str:
    """Return the page. It holds the first hundred ids of each finding; ``--json`` holds more."""
    grids = {
        "splits": audit_grids.size_grid(audit),
        "labels": audit_grids.label_grid(audit),
        "present": audit_grids.present_grid(audit),
        "together": audit_grids.together_grid(audit),
        "leaks": audit_grids.leak_grid(audit),
        "flaws": audit_grids.flaw_grid(audit),
        "removed": audit_grids.removed_grid(audit, rules=_RULES_SHOWN),
        "made": _made_grid(audit),
    }
    page = page_template("audit.html").render(
        title=f"Audit of {shown(audit.name)}",
        corpus=shown(audit.corpus),
        source=audit.source,
        verdict=audit_grids.verdict(audit),
        clean=not audit.wrong(),
        severities=SEVERITIES,
        findings=[(finding, KINDS[finding.kind], _names(finding)) for finding in audit.findings],
        names_shown=_NAMES_SHOWN,
        grids=grids,
        shades=_shades(audit),
        plots=audit_plots(audit),
        drawing={"width": WIDTH, "bars_from": BARS_FROM, "bars_width": BARS_WIDTH},
    )
    return page.lstrip() + "\n"


def _names(finding: Finding) -> list[str]:
    """The ids of a finding, or its groups of ids, in a form to be shown."""
    groups = [" = ".join(shown(name, 60) for name in group[:20]) for group in finding.groups[:_NAMES_SHOWN]]
    return [*(shown(name) for name in finding.ids[:_NAMES_SHOWN]), *groups]


def _made_grid(audit: Audit) -> Grid | None:
    if not audit.made:
        return None
    settings, versions = audit.made["settings"], audit.made["made_with"]
    rows = [
        ("rows that came in", f"{audit.made['rows_in']:,}"),
        ("rows in the dataset", f"{audit.made['rows_out']:,}"),
        ("rows removed", f"{audit.made['quarantined']:,}"),
        ("splits", f"{audit.made['split_rule']} (seed {audit.made['split_seed']})"),
        *((name, str(value)) for name, value in settings.items()),
        *((name, version) for name, version in versions.items()),
        ("fingerprint", audit.made["fingerprint"]),
    ]
    plain = tuple((shown(name), shown(value)) for name, value in rows)
    return Grid(title="How it was made", headings=("what", "value"), rows=plain, numeric=False)


def _shades(audit: Audit) -> list[list[int]]:
    """How dark each cell of the co-occurrence is, 0 to 100: the share of the row's utterances that carry the column's."""
    return [[round(100 * n / row[place]) if row[place] else 0 for n in row] for place, row in enumerate(audit.together)]
