"""How far a model's marks can be trusted, as lines for a terminal."""

from __future__ import annotations

from typing import TextIO

from mesmer.explain.check_result import Check, Known

_CURVES = tuple(f"{kind} gain over {order}" for kind in ("deletion", "insertion") for order in ("scattered", "centre"))
_KEPT = ("gain over scattered", "gain over shifted", "gain over centre")
_PARTS = {"attention": "the attention", "stem": "the convolutions before it", "all": "every weight"}


def print_check(check: Check, *, file: TextIO) -> None:
    """Print every test with its 95 % interval and what it says, a line each."""
    runs = f"{check.runs} run{'s' if check.runs > 1 else ''}"
    print(
        f"{check.utterances} utterances of {check.speakers} speakers, {runs}, top_p {check.top_p:g}; "
        "[95 % interval, speakers resampled]",
        file=file,
    )
    for modality, curves in check.curves.items():
        print(
            f"\n{modality}: does blurring the marked sites cost more of the answer than blurring others? (log-odds)",
            file=file,
        )
        for name in _CURVES:
            print(f"  {name:<32}{_known(curves[name])}  {_verdict(curves[name])}", file=file)
        for name in _KEPT:
            value = check.kept[modality][name]
            print(f"  {'kept sites, ' + name:<32}{_known(value)}  {_verdict(value)}", file=file)
        print(f"{modality}: does the map change when weights are drawn anew?", file=file)
        for part, alike in check.sanity[modality].items():
            rank = _known(alike["rank"]) if "rank" in alike else "  unknown"
            print(f"  {_PARTS[part]:<32}rank correlation{rank}, {_shared(alike['overlap'], alike['chance'])}", file=file)
        if modality in check.agreement:
            alike = check.agreement[modality]
            rank = _known(alike["rank"]) if "rank" in alike else "  unknown"
            print(f"{modality}: do the runs agree?", file=file)
            print(f"  {'pairs of runs':<32}rank correlation{rank}, {_shared(alike['overlap'], alike['chance'])}", file=file)
    if check.evidence is not None and check.evidence_every is not None:
        print(
            f"\nblurring the evidence in the face moves the score more than blurring as much anywhere else, in "
            f"{check.evidence_clips} clips:\n"
            f"  the score of the shown emotion that the model finds likeliest  {_percent(check.evidence)}\n"
            f"  the score of every shown emotion                               {_percent(check.evidence_every)}",
            file=file,
        )
    for name, masks in check.pointing.items():
        print(f"\npointing game, {name}: share of kept sites on the truth, beside chance", file=file)
        for mask, one in masks.items():
            low, high = one.intervals["ratio"]
            print(
                f"  {mask:<10} {one.hits:.3f} (chance {one.chance:.3f}): {one.ratio:.2f} times [{low:.2f}, {high:.2f}], "
                f"strongest site {one.pointed:.3f}, overlap {one.overlap:.3f}, density {one.density:.2f}, {one.maps} maps",
                file=file,
            )


def _known(value: Known) -> str:
    mean, (low, high) = value
    return f"{mean:+8.3f} [{low:+.3f}, {high:+.3f}]"


def _percent(value: Known) -> str:
    share, (low, high) = value
    return f"{100 * share:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _verdict(value: Known) -> str:
    low, high = value[1]
    return "better" if low > 0 else "worse" if high < 0 else "no better: the interval holds 0"


def _shared(overlap: Known, chance: Known) -> str:
    return f"shared sites {overlap[0]:.3f} (chance {chance[0]:.3f})"
