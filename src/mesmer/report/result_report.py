"""Pages made of results that are on the disk: one result's own page again, or several compared in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mesmer.errors import ConfigError
from mesmer.report.analysis_files import REPORT_FILE
from mesmer.report.analysis_page import analysis_page
from mesmer.report.comparison_page import comparison_page
from mesmer.report.result_reading import MAX_RESULT_BYTES, Result, find_results, read_result
from mesmer.storage.atomic import write_text

COMPARISON_FILE = Path("comparison.html")
_ENDINGS = (".html", ".htm")


def write_report(
    results: str | Path | Sequence[str | Path], *, out: str | Path | None = None, blur_faces: bool = False
) -> Path:
    """Write the page of one result, or one that compares several, and return where it is.

    Args:
        results: folders that ``mesmer analyze`` wrote, folders of such folders, or ``analysis.json`` files.
        out: the page, ending in .html; None writes ``report.html`` beside a single result, else ``comparison.html`` here.
        blur_faces: blur the pictures of faces, beyond recognition.

    Raises:
        MesmerError: a result is missing, damaged or not by the schema, a picture it names is none, there are too many or
            too large ones, or the page cannot be written.
    """
    inputs = [results] if isinstance(results, (str, Path)) else list(results)
    if out is not None and Path(out).suffix.lower() not in _ENDINGS:
        raise ConfigError("a report is an HTML page", file=out, field="--out", remedy="give a name that ends in .html")
    files = find_results(inputs)
    if not files:
        raise ConfigError("there is nothing to report on", remedy="name results of `mesmer analyze`")
    sizes = sum(file.stat().st_size for file in files if file.is_file())
    if sizes > MAX_RESULT_BYTES:
        remedy = "compare fewer at a time"
        raise ConfigError(f"the results are {sizes:,} bytes in all, more than {MAX_RESULT_BYTES:,}", remedy=remedy)
    read = [read_result(file) for file in files]
    place = Path(out) if out is not None else files[0].parent / REPORT_FILE if len(files) == 1 else COMPARISON_FILE
    write_text(place, result_page(read, blur_faces=blur_faces))
    return place


def result_page(results: Sequence[Result], *, blur_faces: bool = False) -> str:
    """Return the page of one result, or the comparison of several, as HTML."""
    if len(results) > 1:
        return comparison_page(results, blur_faces=blur_faces)
    (one,) = results
    return analysis_page(one.value, faces=one.faces, blur_faces=blur_faces, blurred_before=one.blurred)
