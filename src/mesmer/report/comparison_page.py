"""Several analyses side by side as one HTML page: what was expressed for how long in each, when, at what cost, and whether
they can be compared at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesmer.report.analysis_page import pictures, used_emotions
from mesmer.report.html_pages import page_script, page_template, plain
from mesmer.report.page_lanes import Lanes, make_lanes, make_overview
from mesmer.report.page_rows import NUM_COLOURS, Row, count, length, make_rows, note_counts, person_name
from mesmer.report.page_shares import Share, make_shares, mostly
from mesmer.report.result_reading import Result

MAX_MARKS = 300
"""A file of more utterances is drawn by how much of the time, not one by one."""
MAX_PEOPLE_DRAWN = 4


@dataclass(frozen=True, kw_only=True)
class _File:
    """One analysis in the page."""

    number: int
    name: str
    facts: str
    mostly: str
    shares: Mapping[str, Share]
    warnings: Sequence[str]
    notes: Sequence[tuple[str, int]]
    lanes: Sequence[Lanes]
    one_by_one: bool
    left_out: int
    faces: Sequence[tuple[int, str]]
    pictures: Mapping[int | None, str]
    blurred: bool
    utterances: int
    read: str
    seconds: str
    speed: str


def comparison_page(results: Sequence[Result], *, blur_faces: bool = False) -> str:
    """Return the page.

    Args:
        results: two or more, in the order of the page.
        blur_faces: blur the pictures of faces.
    """
    rows_of = [make_rows(result.value) for result in results]
    emotions = list(dict.fromkeys(name for result in results for name in result.value["model"]["emotions"]))
    shown = [plain(name, 60) for name in emotions]
    lanes_of = used_emotions([row for rows in rows_of for row in rows], emotions)
    files = [
        _file(result, rows, number, lanes_of, blur_faces)
        for number, (result, rows) in enumerate(zip(results, rows_of, strict=True), start=1)
    ]
    script, policy = page_script("analysis_script.html")
    page = page_template("comparison.html").render(
        title=f"Comparison of {count(len(files), 'file')}",
        files=files,
        emotions=shown,
        differences=differences([result.value for result in results]),
        num_colours=NUM_COLOURS,
        blurred=blur_faces or all(result.blurred for result in results),
        has_pictures=any(file.pictures for file in files),
        script=script,
        script_policy=policy,
    )
    return page.lstrip() + "\n"


def differences(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in what respects the analyses were made differently, so that their numbers cannot simply be compared."""
    told = []
    if len({_fixed(value["model"], ("name", "folder", "sha256", "emotions")) for value in values}) > 1:
        told.append("not all were read by the same model: a difference may be one of the models, not of the files")
    if len({_fixed(value["model"], ("top_p",)) for value in values}) > 1:
        told.append("they were read with different nucleus masses (top_p)")
    if len({value["made_by"]["words"] is None for value in values}) > 1:
        told.append("in some the words were read, in others they were not")
    if len({_fixed(value["source"], ("has_audio", "has_video")) for value in values}) > 1:
        told.append("some have no sound or no picture")
    if len({str(value["made_by"]["hearing"]) for value in values if value["source"]["has_audio"]}) > 1:
        told.append("speech was not found in the same way")
    if len({repr(sorted(value["made_by"]["settings"].items())) for value in values}) > 1:
        told.append("utterances were not cut by the same settings")
    if not all(value["complete"] for value in values):
        told.append("some were analysed only in part")
    return told


def _fixed(facts: Mapping[str, Any], keys: Sequence[str]) -> str:
    return repr([facts.get(key) for key in keys])


def _file(result: Result, rows: Sequence[Row], number: int, emotions: Sequence[str], blur_faces: bool) -> _File:
    value = result.value
    shares = make_shares(rows, value["model"]["emotions"])
    duration_s = max([float(value["source"]["duration_s"]), float(value["analyzed_s"]), *(row.end_s for row in rows)])
    people = _longest(rows)
    drawn = [[row for row in rows if row.person == person] for person in people[:MAX_PEOPLE_DRAWN]]
    one_by_one = len(rows) <= MAX_MARKS
    lanes = [
        make_lanes(mine, mine[0].who, "the whole file", 0.0, max(duration_s, 1e-3), emotions)
        if one_by_one
        else make_overview(mine, mine[0].who, duration_s, emotions)
        for mine in drawn
    ]
    faces = [
        (person, person_name(person))
        for person in people[:MAX_PEOPLE_DRAWN]
        if person is not None and person in result.faces
    ]
    cost = value["cost"]
    return _File(
        number=number,
        name=plain(value["source"]["name"], 200),
        facts=f"{length(duration_s)} long, {count(len(value['people']), 'person')} seen, {count(len(rows), 'utterance')}",
        mostly=mostly(shares),
        shares={share.emotion: share for share in shares},
        warnings=[plain(warning, 400) for warning in value["warnings"]],
        notes=note_counts(rows),
        lanes=lanes,
        one_by_one=one_by_one,
        left_out=len(people) - len(drawn),
        faces=faces,
        pictures=pictures({person: result.faces[person] for person, _ in faces}, blur=blur_faces),
        blurred=blur_faces or result.blurred,
        utterances=len(rows),
        read=_read(value["utterances"]),
        seconds=f"{float(cost.get('seconds_total', 0.0)):,.1f}",
        speed=f"{float(cost['real_time_factor']):,.1f}" if "real_time_factor" in cost else "–",
    )


def _longest(rows: Sequence[Row]) -> list[int | None]:
    """Return those who have utterances, by number, but the ``MAX_PEOPLE_DRAWN`` with the longest first."""
    seconds: dict[int | None, float] = {}
    for row in rows:
        seconds[row.person] = seconds.get(row.person, 0.0) + row.end_s - row.start_s
    longest = sorted(seconds, key=lambda person: -seconds[person])
    drawn = sorted(longest[:MAX_PEOPLE_DRAWN], key=lambda person: (person is None, person or 0))
    return drawn + longest[MAX_PEOPLE_DRAWN:]


def _read(utterances: Sequence[Mapping[str, Any]]) -> str:
    """Return in what part of the utterances words, voice and face were read."""
    total = max(len(utterances), 1)
    parts = [
        f"{name} {100 * sum(modality in one['modalities_used'] for one in utterances) / total:.0f}\u00a0%"
        for modality, name in (("text", "words"), ("audio", "voice"), ("visual", "face"))
    ]
    return ", ".join(parts)
