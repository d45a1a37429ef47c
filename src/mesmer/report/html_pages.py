"""How every HTML page of this room is made: templates that escape all they are given, and a script the page's policy names.

A page is one file that opens from the disk. Its policy forbids every request, and every script but the one of this project,
which it knows by its hash; so a text that got past the escaping could still do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import jinja2

from mesmer.report.analysis_text import one_line
from mesmer.report.audit_grids import shown

MAX_TEXT_CHARS = 2000
"""Of one text of a stranger in a page; what is longer is cut, with an ellipsis."""


@cache
def page_template(name: str) -> jinja2.Template:
    """Return a template of ``report/templates``; whatever it is filled with is escaped."""
    return _environment().get_template(name)


@cache
def page_script(name: str) -> tuple[str, str]:
    """Return a script of ``report/templates``, as it is, and the source expression under which a policy allows it.

    >>> page_script("analysis_script.html")[1][:7]
    "'sha256"
    """
    loader = _environment().loader
    assert loader is not None
    script = loader.get_source(_environment(), name)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return script, f"'sha256-{digest}'"


def plain(text: object, chars: int = MAX_TEXT_CHARS) -> str:
    """Return a text of a stranger as one line of at most ``chars`` characters, without signs that act."""
    line = one_line(str(text)[: 4 * chars])
    return line[:chars] + "…" if len(line) > chars else line


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mesmer.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    return environment
