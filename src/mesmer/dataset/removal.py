"""Why a row of a corpus is not in the dataset, in words that can be counted."""

from __future__ import annotations

from collections.abc import Mapping

LEFT_OUT = "left_out"
"""Kind of a line of the quarantine list whose row the corpus's reader left out."""

FAULTS: Mapping[str, str] = {
    "missing": "the media file does not exist",
    "empty": "the media file is empty",
    "container": "the media file is of no kind that can be read",
    "corrupt": "the media file is damaged",
    "limit": "the media file is over a limit of size or shape",
    "timeout": "the media file took too long to read",
    "crash": "the media file broke the decoder",
    "range": "the stretch lies outside the media file",
    "no_streams": "the media file has neither picture nor sound",
    "nothing": "neither words nor sound nor picture could be had",
    "worker": "the process that prepared it died twice",
    "data": "another fault of the data",
}
"""Kind of a fault met in preparation -> what it means."""


def rule_of(kind: str, reason: str) -> str:
    """Return what rows of this kind and reason are counted under.

    The reasons of faults name times and sizes, so only their kind can be counted; the rules of readers name none.
    """
    return reason if kind == LEFT_OUT else FAULTS.get(kind, f"fault of kind '{kind}'")
