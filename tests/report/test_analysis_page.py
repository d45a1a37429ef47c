"""The page of an analysis: all that is in the result is in it, with the same numbers; nothing a stranger said can act."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_reader import EMOTIONS, Element, Page, drawn_face, made_result
from PIL import Image

from mesmer.report.analysis_page import analysis_page
from mesmer.report.analysis_text import one_line
from mesmer.report.comparison_page import comparison_page
from mesmer.report.face_pictures import blurred
from mesmer.report.page_lanes import BLOCK_PX, line_length, make_lines, make_overview, ticks
from mesmer.report.page_rows import clock, colours_of, length, make_rows
from mesmer.report.page_shares import make_shares
from mesmer.report.result_reading import Result

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "\"><img src=x onerror=\"document.title = 'owned'\">",
    "</style></script></title><svg onload=\"document.title = 'owned'\">",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\x1b[31m\r\n\x00\u202eevil\u2028\ud800",
    "--> ]]> & < > ' \" `",
    "喜び \U0001f600",
)  # fmt: skip
LEGAL = {
    "html", "head", "meta", "title", "style", "script", "body", "header", "main", "footer", "nav", "section", "h1", "h2",
    "h3", "p", "ul", "li", "a", "b", "i", "em", "span", "strong", "small", "bdi", "div", "table", "caption", "thead",
    "tbody", "tfoot", "tr", "th", "td", "img", "svg", "defs", "pattern", "g", "rect", "line", "circle", "path", "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "src", "alt", "title", "aria-label",
    "aria-labelledby", "aria-hidden", "focusable", "role", "tabindex", "scope", "colspan", "style", "viewbox", "x", "y",
    "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "width", "height", "data-n", "text-anchor", "patternunits",
    "patterntransform",
}  # fmt: skip
STYLE = (
    r"--p: [0-9.]+|min-width: [0-9]+px|fill: var\(--(ground|c[0-7])\); stroke: none"  # the only styles of single elements
)


def page_of(value: dict[str, Any], **options: Any) -> str:
    return analysis_page(value, **{"faces": {1: drawn_face(1)}, **options})


def check_safe(source: str) -> Element:
    """Nothing in the page acts but the one script of this project, and nothing is fetched."""
    page = Page(source).root
    for element in page.all():
        assert element.tag in LEGAL, element.tag
        assert set(element.attributes) <= ATTRIBUTES, element.attributes
        if "href" in element.attributes:
            assert re.fullmatch(r"#[a-z]+[0-9]*", element.attributes["href"] or "")
        if "src" in element.attributes:
            assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/]+=*", element.attributes["src"] or "")
        if "style" in element.attributes:
            assert re.fullmatch(STYLE, element.attributes["style"] or ""), element.attributes["style"]
    (script,) = page.all("script")
    code = files("mesmer.report").joinpath("templates/analysis_script.html").read_bytes()
    assert script.inside == [code.decode()]
    digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    assert policy.attributes["content"] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    (style,) = page.all("style")
    assert set(re.findall(r"url\(([^)]*)\)", style.text())) == {f"#hatch{n}" for n in range(8)}
    assert "@import" not in style.text()
    return page


def hostile_result(text: str) -> dict[str, Any]:
    """A result with ``text`` wherever a stranger may have put one."""
    value = made_result(name=text, said=text)
    emotions = [text, "anger"]
    for row in value["utterances"]:
        told = list(row["emotions"].values())
        row["emotions"] = dict(zip(emotions, told, strict=False)) if told else {}
        row["warnings"], row["absent"] = [text], {"text": text}
    value["model"] |= {"emotions": emotions, "name": text, "folder": text, text: text}
    value["source"] |= {"container": text, text: text}
    value["made_by"] |= {"version": text, "hearing": text, "words": text, "settings": {text: text}}
    value["cost"] |= {f"seconds_{text}": 1.0, text: 3.0}
    value["warnings"] = [text]
    return value


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_and_cannot_act(text: str) -> None:
    page = check_safe(page_of(hostile_result(text)))
    plain = one_line(text)
    assert page.all("title")[0].text() == f"Report of {plain}".strip()
    assert page.all("section", id="notes")[0].all("li")[0].text() == plain
    assert [cell.text() for cell in page.all("td", class_="said")][3].startswith(plain)
    both = [Result(value=hostile_result(text), faces={}), Result(value=made_result(), faces={})]
    compared = check_safe(comparison_page(both))
    assert plain in [link.text() for link in compared.all("a")]


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet=st.characters(), max_size=120))
def test_no_text_breaks_out_of_the_page(text: str) -> None:
    if text not in ("anger", "seconds_total", "real_time_factor"):
        check_safe(page_of(hostile_result(text)))


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 40), seed=st.integers(0, 999), people=st.integers(1, 5))
def test_every_utterance_is_in_the_page_with_the_numbers_of_the_result(count: int, seed: int, people: int) -> None:
    value = made_result(count, seed=seed, people=people)
    page = check_safe(page_of(value))
    shown = [row for table in page.all("table", class_="rows") for row in table.all("tbody")[0].all("tr")]
    ordered = sorted(value["utterances"], key=lambda one: (one["start_s"], one["end_s"], one["person"] or 0))
    assert len(shown) == count
    for row, one in zip(shown, ordered, strict=True):
        assert row.all("th")[0].text() == f"{clock(one['start_s'])} to {clock(one['end_s'])}"
        who = "unseen voice" if one["person"] is None else f"person {one['person']}"
        assert row.all("td", class_="who")[0].text() == who
        assert row.all("td", class_="said")[0].text() == (one["text"] or "nobody speaks")
        told = [cell.text() for cell in row.all("td", class_="n")]
        assert told == [_in_words(one["emotions"][name]) for name in EMOTIONS if one["emotions"]]
        assert bool(row.all("td", class_="none")) == (not one["emotions"])
        shares = [cell.text() for cell in row.all("td", class_="s")]
        known = one["contributions"]
        assert shares == [f"{100 * known[name]:.0f}" if known else "–" for name in ("text", "audio", "visual")]
        notes = [note.text() for note in row.all("td", class_="note")[0].all("span")]
        assert notes[: len(one["warnings"])] == one["warnings"]
        assert len(notes) == len(one["warnings"]) + len(one["absent"])
    marks = {link.attributes["href"]: link for link in page.all("a", class_="u")}
    assert len(marks) == count
    for row, one in zip(shown, ordered, strict=True):
        words = marks[f"#{row.attributes['id']}"].all("title")[0].text()
        assert (one["text"] or "nobody speaks") in words
        for name, told in one["emotions"].items():
            said = f"{name} {told['probability']:.2f}" in words
            assert said == (told["expressed"] or told["unsure"])


def _in_words(told: dict[str, Any]) -> str:
    word = ("yes" if told["expressed"] else "no") + ("?" if told["unsure"] else "")
    return f"{told['probability']:.2f}" + ("" if word == "no" else f" {word}")


def test_every_warning_fact_and_second_is_in_the_page() -> None:
    value = made_result(20, warnings=["no face in 40 % of the time", "faces overlap"], complete=False, analyzed_s=3.25)
    text = check_safe(page_of(value)).text()
    notes = [*value["warnings"], *(note for row in value["utterances"] for note in row["warnings"])]
    assert all(note in text for note in notes)
    assert "(in 19 of 20 utterances)" in text  # the same warning with other numbers
    assert "up to 0:03.2" in text
    for fact in ("1,234 bytes", "ab" * 32, "run/model", "silero-vad", "a.srt", "0.3", "mesm", "25"):
        assert fact in text
    assert "reading the file 1.250 31" in text
    assert "finding and following faces 2.500 62" in text
    assert "everything else 0.250 6" in text
    assert "7.5 times as fast" in text
    assert "2 million multiply-adds, 25 %" in text
    assert "anger 0.40, disgust 0.40" in text
    assert "AI Act" in text


def test_an_empty_result_and_one_of_sound_only_have_a_page() -> None:
    page = check_safe(page_of(made_result(0, people=0)))
    assert "No utterance was found." in page.text()
    assert page.all("table", class_="rows") == []
    value = made_result(3, people=0)
    value["source"] |= {"has_video": False}
    page = check_safe(page_of(value, faces={}))
    assert "sound only" in page.text()
    assert page.all("img") == []


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 30), seed=st.integers(0, 999))
def test_shares_of_the_time_are_those_counted_one_by_one(count: int, seed: int) -> None:
    value = made_result(count, seed=seed)
    shares = make_shares(make_rows(value), EMOTIONS)
    answered = [one for one in value["utterances"] if one["emotions"]]
    eighths = {name: [0, 0] for name in EMOTIONS}
    for one in answered:  # every time is a multiple of an eighth of a second
        for name, told in one["emotions"].items():
            eighth = round(8 * (one["end_s"] - one["start_s"]))
            eighths[name][0] += eighth * (told["expressed"] and not told["unsure"])
            eighths[name][1] += eighth * told["unsure"]
    total = sum(round(8 * (one["end_s"] - one["start_s"])) for one in answered)
    for share in shares:
        assert (share.sure, share.unsure) == pytest.approx([100 * part / total for part in eighths[share.emotion]])
        assert ("never" in share.text) == (share.sure == share.unsure == 0)


# --- the drawing -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60), seed=st.integers(0, 999))
def test_every_row_is_drawn_where_and_as_high_as_its_numbers_say(count: int, seed: int) -> None:
    value = made_result(count, seed=seed)
    rows = make_rows(value)
    duration_s = value["source"]["duration_s"]
    lines = make_lines(rows, duration_s=duration_s, emotions=EMOTIONS)
    long_s = line_length(duration_s)
    assert [row.number for line in lines for row in line.rows] == [row.number for row in rows]
    drawn_s = dict.fromkeys((row.number for row in rows), 0.0)
    begins = []
    for line in lines:
        for lanes in line.lanes:
            for mark in lanes.marks:
                row = rows[mark.number - 1]
                assert (row.who, row.person is None) == (lanes.who, lanes.who == "unseen voice")
                at, wide = float(mark.at[:-1]), float(mark.wide[:-1])
                assert -0.001 <= at <= at + wide <= 100.02
                drawn_s[row.number] += wide * long_s / 100
                begins += [row.number] * mark.first
                if mark.first:
                    assert at * long_s / 100 == pytest.approx(row.start_s % long_s, abs=0.01 * long_s / 100)
                for block, cell in zip(mark.blocks, (c for c in row.cells if c.state != "no"), strict=True):
                    foot = lanes.foots_px[EMOTIONS.index(cell.emotion)]
                    assert block.top_px + block.height_px == pytest.approx(foot, abs=0.1)
                    assert block.height_px == pytest.approx(max(2, BLOCK_PX * cell.level), abs=0.06)
                    style = {"yes": "c{}", "yes?": "h{}", "no?": "h{} not"}[cell.state].format(cell.colour)
                    assert block.style == style
    assert sorted(begins) == [row.number for row in rows]
    for row in rows:
        assert drawn_s[row.number] == pytest.approx(row.end_s - row.start_s, abs=0.002 * long_s)


@given(duration_s=st.floats(0.01, 1e7))
def test_lines_are_few_and_marked_at_round_times(duration_s: float) -> None:
    long_s = line_length(duration_s)
    assert duration_s <= 15 * long_s or long_s == 600
    assert long_s >= min(duration_s, 30)
    marks = ticks(0.0, duration_s)
    assert 1 <= len(marks) <= 6
    places = [float(place[:-1]) for place, _ in marks]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 100


def test_the_overview_adds_up_to_the_shares() -> None:
    value = made_result(200, seed=4)
    rows = [row for row in make_rows(value) if row.person == 1]
    lanes = make_overview(rows, "person 1", value["source"]["duration_s"], EMOTIONS)
    assert all(block.top_px >= foot - BLOCK_PX - 0.2 for mark in lanes.marks for block in mark.blocks
               for foot in lanes.foots_px if abs(foot - block.top_px) <= BLOCK_PX)  # fmt: skip
    for place, (emotion, foot) in enumerate(zip(EMOTIONS, lanes.foots_px, strict=True)):
        answered = [row for row in rows if row.cells]
        never = all(row.cells[place].state == "no" for row in answered)
        heights = [
            b.height_px for mark in lanes.marks for b in mark.blocks if foot - 20 < b.top_px + b.height_px <= foot + 0.1
        ]
        assert never == (not heights), emotion


@pytest.mark.parametrize(
    ("time_s", "told"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (75.25, "1:15.2"), (3599.99, "1:00:00.0"), (36_610.5, "10:10:10.5")],
)
def test_times_are_written_as_people_do(time_s: float, told: str) -> None:
    assert clock(time_s) == told


def test_lengths_are_written_as_people_do() -> None:
    told = [length(time_s) for time_s in (0, 4.24, 59.97, 60, 3599.6, 7325)]
    assert told == ["0.0 s", "4.2 s", "1 min 0 s", "1 min 0 s", "1 h 0 min", "2 h 2 min"]


def test_an_emotion_keeps_its_colour_in_every_page() -> None:
    assert colours_of(EMOTIONS) == {name: n for n, name in enumerate(EMOTIONS)}
    assert colours_of(("sadness", "awe", "anger"))["sadness"] == colours_of(EMOTIONS)["sadness"]
    many = colours_of([f"e{n}" for n in range(20)])
    assert set(many.values()) == set(range(8))
    iemocap = colours_of(("anger", "excitement", "frustration", "happiness", "neutral", "sadness"))
    assert len(set(iemocap.values())) == 6


# --- for everybody ---------------------------------------------------------------------------------------------------


def check_usable(page: Element) -> None:
    (html,) = page.all("html")
    assert html.attributes["lang"] == "en"
    levels = [int(one.tag[1]) for one in page.all() if one.tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    for landmark in ("header", "main", "footer"):
        assert len(page.all(landmark)) == 1
    ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    links = page.all("a")
    assert links[0].attributes["class"] == "skip"
    assert {(link.attributes["href"] or "")[1:] for link in links} <= set(ids)
    assert all(link.text() for link in links)  # of those in a drawing: the text of its title
    assert all(picture.attributes["alt"] for picture in page.all("img"))
    for drawing in page.all("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true"
        assert hidden != bool(drawing.attributes.get("aria-label"))
        assert hidden or drawing.attributes["role"] in ("img", "group")
    for region in [one for one in page.all() if one.attributes.get("tabindex") == "0"]:
        assert region.attributes["role"] == "region"
        assert region.attributes["aria-label"]
    assert all(table.all("caption")[0].text() for table in page.all("table"))
    assert all(cell.attributes["scope"] in ("row", "col") for cell in page.all("th"))
    for section in page.all("section"):
        assert section.attributes["aria-labelledby"] in ids
    assert all(nav.attributes["aria-label"] for nav in page.all("nav"))
    (viewport,) = page.all("meta", name="viewport")
    assert viewport.attributes["content"] == "width=device-width, initial-scale=1"


def test_pages_can_be_used_by_keyboard_and_by_ear() -> None:
    value = made_result(60)
    value["people"].append({**value["people"][0], "number": 7})  # who is seen and never speaks
    faces = {1: drawn_face(1), 7: drawn_face(7)}
    page = check_safe(page_of(value, faces=faces))
    check_usable(page)
    assert [picture.attributes["alt"] for picture in page.all("img")] == ["Face of person 1", "Face of person 7"]
    for row in page.all("table", class_="rows")[0].all("tbody")[0].all("tr"):
        assert len(row.all("a")) == 1  # what brings the keyboard to the row
    check_usable(check_safe(comparison_page([Result(value=value, faces=faces), Result(value=made_result(400), faces={})])))
    blurred_page = check_safe(page_of(value, faces=faces, blur_faces=True))
    assert blurred_page.all("img")[0].attributes["alt"] == "Blurred face of person 1"
    assert "Faces are blurred." in blurred_page.text()


def _palette(source: str) -> list[dict[str, str]]:
    """The named colours of the light and of the dark scheme."""
    light, dark = source.split("@media screen and (prefers-color-scheme: dark)", 1)
    dark = dark.split("} }", 1)[0]
    day = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light))
    return [day, day | dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", dark))]


def test_colours_can_be_read_in_both_schemes() -> None:
    schemes = _palette(page_of(made_result()))
    assert schemes[0]["ground"] != schemes[1]["ground"]
    for named in schemes:
        for ground in ("ground", "panel", "mark", "tint"):
            assert _contrast(named["ink"], named[ground]) >= 4.5, ground
        for ground in ("ground", "panel", "mark"):
            assert _contrast(named["soft"], named[ground]) >= 4.5, ground
            assert _contrast(named["link"], named[ground]) >= 4.5, ground
        for n in range(8):
            assert _contrast(named[f"c{n}"], named["ground"]) >= 3, n
            assert _contrast(named[f"c{n}"], named["panel"]) >= 3, n
        assert _contrast(named["voice"], named["ground"]) >= 3
        assert _contrast(named["line"], named["ground"]) >= 3


def test_unsure_differs_by_more_than_colour() -> None:
    source = page_of(made_result())
    style = Page(source).root.all("style")[0].text()
    for n in range(8):
        assert f".c{n} {{ fill: var(--c{n}); stroke: var(--c{n}); }}" in style
        assert f".h{n} {{ fill: url(#hatch{n});" in style
    assert "svg .not { stroke-dasharray" in style
    words = {cell.text().split()[-1] for cell in Page(source).root.all("td", class_="n") if " " in cell.text()}
    assert words == {"yes", "yes?", "no?"}


def _light(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_light(one), _light(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# --- faces and sizes -------------------------------------------------------------------------------------------------


def _picture(page: Element) -> np.ndarray[Any, Any]:
    source = page.all("img")[0].attributes["src"] or ""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_a_blurred_face_holds_nothing_finer_than_six_by_six() -> None:
    face = drawn_face(3)
    fields = face.reshape(6, 8, 6, 8, 3)
    order = np.random.default_rng(0).permutation(64)
    shuffled = fields.transpose(0, 2, 1, 3, 4).reshape(6, 6, 64, 3)[:, :, order].reshape(6, 6, 8, 8, 3)
    other = shuffled.transpose(0, 2, 1, 3, 4).reshape(48, 48, 3)
    assert (other != face).mean() > 0.9
    apart = blurred(other).astype(int) - blurred(face)
    assert abs(apart).max() <= 1  # what differs within a field is gone, but for the rounding of its mean
    value = made_result()
    assert np.array_equal(_picture(Page(page_of(value, faces={1: face})).root), face)
    assert np.array_equal(_picture(Page(page_of(value, faces={1: face}, blur_faces=True)).root), blurred(face))
    results = [Result(value=value, faces={1: face})] * 2
    assert np.array_equal(_picture(Page(comparison_page(results, blur_faces=True)).root), blurred(face))


def test_a_long_video_is_bounded_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = page_of(made_result(1500, seed=1))
    assert len(hour.encode()) < 4 * 2**20
    assert hour.count('<div class="line"') <= 15
    assert 'class="long"' in hour
    monkeypatch.setattr("mesmer.report.analysis_page.MAX_ROWS", 70)
    page = page_of(made_result(120, seed=2))
    assert "the first 70 of 120 utterances" in page
    assert "in 119 of 120 utterances" in page  # what is told in sum is of all of them
    assert page.count('<tr role="row" id="r') == 70
    monkeypatch.undo()
    huge = made_result(4, said="x" * 10**6)
    assert len(page_of(huge)) < 2**17


def test_a_file_of_a_hundred_days_has_a_short_page() -> None:
    value = made_result(5)
    value["utterances"][4] |= {"start_s": 9_999_990.0, "end_s": 9_999_999.0}
    value["source"]["duration_s"] = 1e7
    page = check_safe(page_of(value))
    assert len(page.all("div", class_="line")) == 2


# --- several ---------------------------------------------------------------------------------------------------------


def test_a_comparison_has_every_files_shares_warnings_and_cost() -> None:
    values = [made_result(30, seed=n, name=f"talk {n}.mp4", warnings=[f"about talk {n}"]) for n in range(3)]
    values[1]["cost"] |= {"seconds_total": 1234.5, "real_time_factor": 0.25}
    page = check_safe(comparison_page([Result(value=value, faces={}) for value in values]))
    lines = page.all("table", class_="heat")[0].all("tbody")[0].all("tr")
    for line, value in zip(lines, values, strict=True):
        assert value["source"]["name"] in line.text()
        shares = make_shares(make_rows(value), EMOTIONS)
        told = [" ".join(share.text.split()) for share in shares]
        assert [cell.text() for cell in line.all("td")] == told
        assert f"about talk {value['source']['name'][5]}" in page.all("section", id="notes")[0].text()
    assert "1,234.5 0.2 words" in page.all("section", id="cost")[0].text()
    assert len(page.all("svg", role="group")) == sum(len({row["person"] for row in v["utterances"]}) for v in values)
    assert "made in the same way by the same model" in page.text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": {"sha256": "cd"}}, "same model"),
        ({"model": {"top_p": None}}, "top_p"),
        ({"made_by": {"words": None}}, "the words were read"),
        ({"made_by": {"hearing": "loudness"}}, "speech was not found"),
        ({"made_by": {"settings": {"pause_s": 1.0}}}, "not cut by the same settings"),
        ({"source": {"has_video": False}}, "no sound or no picture"),
        ({"complete": False}, "only in part"),
    ],
)
def test_what_cannot_be_compared_is_said(change: dict[str, Any], told: str) -> None:
    other = json.loads(json.dumps(made_result()))
    for key, part in change.items():
        other[key] = {**other[key], **part} if isinstance(part, dict) else part
    page = Page(comparison_page([Result(value=made_result(), faces={}), Result(value=other, faces={})])).root
    (difference,) = page.all("section", id="comparable")[0].all("li")
    assert told in difference.text()


# --- a real browser --------------------------------------------------------------------------------------------------


def test_a_browser_runs_our_script_and_nothing_else(tmp_path: Path) -> None:
    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if browser is None:
        pytest.skip("no browser is installed")
    path = tmp_path / "report.html"
    path.write_text(page_of(hostile_result(" ".join(HOSTILE[:3]))), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    found = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    if "<title>" not in found.stdout:
        pytest.skip("the browser does not start here")
    page = Page(found.stdout).root
    assert page.all("title")[0].text().startswith("Report of <script>document.title")
    assert len(page.all("div", class_="tip")) == 1  # ours ran
    assert all(link.attributes["aria-label"] for link in page.all("a", class_="u"))
    inside = [link.attributes.get("tabindex") for link in page.all("svg", role="group")[0].all("a", class_="u")]
    assert inside == [None] + ["-1"] * (len(inside) - 1)  # one stop for the keyboard in each drawing
