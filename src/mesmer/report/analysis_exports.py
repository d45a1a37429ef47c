"""An analysis as CSV, SRT, WebVTT and ELAN. Nothing of the words and names of strangers runs in what opens these."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote
from xml.etree import ElementTree

from mesmer.analysis.result import Analysis, AnalyzedUtterance
from mesmer.records import MODALITIES
from mesmer.report.analysis_text import clock, expressed, one_line, who

FORMULA_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%")
"""A cell that begins so is computed by some spreadsheets."""
_ELAN_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def csv_text(analysis: Analysis) -> str:
    """Return one line per utterance, after a line of names; RFC 4180."""
    emotions = analysis.emotions
    names = ["id", "start_s", "end_s", "kind", "person", "expressed", "unsure", "text"]
    names += [f"p_{name}" for name in emotions] + [f"share_{name}" for name in MODALITIES]
    names += ["warnings", "file"]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([cell(name) for name in names])
    for row in analysis.utterances:
        told, shares = row.prediction, row.contributions
        chances = ["" if told is None else f"{told.probabilities[name]:.4f}" for name in emotions]
        decided, unsure = ([], []) if told is None else (list(told.decisions), list(told.unsure))
        writer.writerow(
            [
                *(row.id, f"{row.start_s:.3f}", f"{row.end_s:.3f}", row.kind, row.person or ""),
                *(cell(" ".join(decided)), cell(" ".join(unsure)), cell(row.text or "")),
                *chances,
                *(f"{shares[name]:.4f}" if name in shares else "" for name in MODALITIES),
                *(cell("; ".join(row.warnings)), cell(analysis.source["name"])),
            ]
        )
    return out.getvalue()


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula: it gets an apostrophe before its first sign."""
    plain = one_line(text)
    return f"'{plain}" if plain.startswith(FORMULA_SIGNS) else plain


def srt_text(analysis: Analysis) -> str:
    """Return subtitles that say who expresses what, and the words."""
    blocks = []
    for number, row in enumerate(_shown(analysis), start=1):
        lines = [line.translate(_NO_MARKUP) for line in _lines(row)]
        times = f"{clock(row.start_s, mark=',')} --> {clock(row.end_s, mark=',')}"
        blocks.append("\n".join([str(number), times, *lines]) + "\n")
    return "\n".join(blocks)


def vtt_text(analysis: Analysis) -> str:
    """Return the same as WebVTT."""
    blocks = ["WEBVTT\n"]
    for row in _shown(analysis):
        lines = [line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in _lines(row)]
        blocks.append("\n".join([row.id, f"{clock(row.start_s)} --> {clock(row.end_s)}", *lines]) + "\n")
    return "\n".join(blocks)


def eaf_text(analysis: Analysis) -> str:
    """Return an ELAN document (EAF 3.0): for each person a tier of emotions and a tier of words."""
    ElementTree.register_namespace("xsi", _XSI)
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "mesmer",
            "DATE": "1970-01-01T00:00:00+00:00",  # the same analysis gives the same file
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _ELAN_SCHEMA,
        },
    )
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    name = quote(one_line(analysis.source["name"]))
    kind = "video/mp4" if analysis.source["has_video"] else "audio/x-wav"
    ElementTree.SubElement(
        header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": f"./{name}", "RELATIVE_MEDIA_URL": f"./{name}", "MIME_TYPE": kind}
    )
    rows = _shown(analysis)
    times_ms = sorted({round(at_s * 1000) for row in rows for at_s in (row.start_s, row.end_s)})
    order = ElementTree.SubElement(root, "TIME_ORDER")
    slots = {time_ms: f"ts{number}" for number, time_ms in enumerate(times_ms, start=1)}
    for time_ms, slot in slots.items():
        ElementTree.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(time_ms)})
    number = 0
    for person, tier_rows in _tiers(rows):
        for what in ("emotions", "words"):
            said = [(row, expressed(row) if what == "emotions" else one_line(row.text or "")) for row in tier_rows]
            tier = ElementTree.SubElement(
                root, "TIER", {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": f"{person} {what}"}
            )
            for row, value in said:
                if not value:
                    continue
                number += 1
                annotation = ElementTree.SubElement(ElementTree.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
                annotation.set("ANNOTATION_ID", f"a{number}")
                annotation.set("TIME_SLOT_REF1", slots[round(row.start_s * 1000)])
                annotation.set("TIME_SLOT_REF2", slots[round(row.end_s * 1000)])
                ElementTree.SubElement(annotation, "ANNOTATION_VALUE").text = value
    linguistic = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"}
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", linguistic)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


_NO_MARKUP = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")", "\\": "/"})
"""SRT has no way to write these without a player taking them for markup."""


_TIME = re.compile(r"(\d:\d\d)[.,](\d)")
"""Some readers take any line with two times for the beginning of a subtitle."""


def _shown(analysis: Analysis) -> list[AnalyzedUtterance]:
    """Return the rows that last for at least a thousandth of a second, in order."""
    return [row for row in analysis.utterances if round(row.end_s * 1000) > round(row.start_s * 1000)]


def _lines(row: AnalyzedUtterance) -> list[str]:
    """Return who and what, and the words, each on its line."""
    words = _TIME.sub(r"\1 \2", one_line(row.text or "").replace("-->", "→"))
    return [f"[{who(row)}: {expressed(row)}]", *([words] if words else [])]


def _tiers(rows: Sequence[AnalyzedUtterance]) -> Iterator[tuple[str, list[AnalyzedUtterance]]]:
    """Yield the name of each tier and its rows; within a tier nothing overlaps."""
    for person in sorted({row.person for row in rows}, key=lambda number: (number is None, number or 0)):
        mine = [row for row in rows if row.person == person]
        yield who(mine[0]), mine
