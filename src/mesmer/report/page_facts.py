"""What a page says of a file, a model, the way an analysis was made and what it cost: pairs of words and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesmer.report.html_pages import plain
from mesmer.report.page_rows import length

_CHARS = 200
_MOST_FACTS = 60
_SOURCE_NAMES = {
    "name": "file", "size_bytes": "size", "duration_s": "length", "has_video": "picture", "has_audio": "sound",
}  # fmt: skip
_MODEL_NAMES = {
    "name": "kind of model",
    "folder": "from",
    "sha256": "its hash (sha256)",
    "trained_on": "trained on",
    "top_p": "nucleus mass (top_p)",
}
_MADE_NAMES = {
    "version": "made by MESMER", "hearing": "speech was found by", "words": "words come from", "words_sha256": "their hash",
}  # fmt: skip
_STAGES = {
    "reading": "reading the file", "speech": "finding speech", "faces": "finding and following faces",
    "waiting_for_faces": "waiting for faces (they are followed beside the rest)", "turns": "telling who speaks",
    "clips": "cutting out utterances", "words": "writing down words", "model": "the model itself",
}  # fmt: skip


def source_rows(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is known of the file."""
    return _pairs(value["source"], _SOURCE_NAMES, leave_out=("modified_ns",))


def model_rows(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is known of the model."""
    model = dict(value["model"])
    names = ", ".join(plain(name, 60) for name in model.pop("emotions"))
    return [*_pairs(model, _MODEL_NAMES), ("emotions it knows", names)]


def made_rows(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the analysis was made."""
    made = dict(value["made_by"])
    settings = made.pop("settings")
    return _pairs(made, _MADE_NAMES) + [(f"setting {name}", shown) for name, shown in _pairs(settings, {})]


def cost_rows(cost: Mapping[str, float]) -> dict[str, Any]:
    """Return what an analysis cost: ``stages`` (name, seconds, share in percent of all the time), and ``told`` in words.

    Faces that a process of their own followed take their share beside the other stages.
    """
    total_s = float(cost.get("seconds_total", 0.0))
    stages = {
        key.removeprefix("seconds_"): float(spent)
        for key, spent in cost.items()
        if key.startswith("seconds_") and key != "seconds_total"
    }
    beside = {"faces"} if "waiting_for_faces" in stages else set()
    rest_s = total_s - sum(spent for name, spent in stages.items() if name not in beside)
    rows = [(_STAGES.get(name, plain(name, 60)), spent) for name, spent in list(stages.items())[:_MOST_FACTS]]
    if rest_s >= 0.0005:
        rows.append(("everything else", rest_s))
    told = []
    if "real_time_factor" in cost:
        told.append(f"{length(total_s)} in all: {cost['real_time_factor']:,.1f} times as fast as the file plays.")
    dense = cost.get("dense_multiply_adds", 0)
    if dense > 0 and "multiply_adds" in cost:
        told.append(
            f"{millions(cost['multiply_adds'])} multiply-adds, {100 * cost['multiply_adds'] / dense:.0f} % of what "
            "skipping nothing would have cost."
        )
    known = ("real_time_factor", "multiply_adds", "dense_multiply_adds")
    other = {key: number for key, number in cost.items() if not key.startswith("seconds_") and key not in known}
    return {
        "stages": [(name, f"{spent:,.3f}", min(100.0, max(0.0, 100 * spent / max(total_s, 1e-9)))) for name, spent in rows],
        "told": told,
        "other": _pairs(other, {}),
    }


def thresholds_told(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return from what probability on each emotion is called expressed; nothing where no utterance was answered."""
    bounds: dict[str, list[float]] = {}
    for row in value["utterances"]:
        for name, told in row["emotions"].items():
            bounds.setdefault(name, []).append(float(told["threshold"]))
    return [
        (plain(name, 60), f"{min(found):.2f}" if f"{min(found):.2f}" == f"{max(found):.2f}" else
         f"{min(found):.2f} to {max(found):.2f}")
        for name, found in bounds.items()
    ]  # fmt: skip


def millions(number: float) -> str:
    """Return a large number in words: ``359 million``, ``1.2 billion``."""
    if number >= 1e9:
        return f"{number / 1e9:,.1f} billion"
    return f"{number / 1e6:,.0f} million" if number >= 1e6 else f"{number:,.0f}"


def _pairs(facts: Mapping[str, Any], names: Mapping[str, str], leave_out: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    found = []
    for key, fact in list(facts.items())[:_MOST_FACTS]:
        if key not in leave_out and not isinstance(fact, (dict, list)):
            found.append((names.get(key, plain(key, 60).replace("_", " ")), _in_words(key, fact)))
    return found


def _in_words(key: str, fact: Any) -> str:
    if fact is None:
        return "none" if key != "top_p" else "the model's own"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if key == "duration_s":
        return length(fact)
    if key == "size_bytes":
        return f"{fact:,} bytes"
    return f"{fact:g}" if isinstance(fact, float) else plain(fact, _CHARS)
