"""The page and the printed table of an audit: nothing of a stranger's name can run, and plots show the numbers."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.dataset.audit_paper import PAPER_TABLES
from mesmer.dataset.audit_record import (
    KINDS,
    Audit,
    Finding,
    LabelCounts,
    Leak,
    Lengths,
    Removed,
    SplitCounts,
)
from mesmer.emotions import IEMOCAP_EMOTIONS
from mesmer.records import SPLITS
from mesmer.report.audit_grids import shown, verdict
from mesmer.report.audit_page import audit_page
from mesmer.report.audit_plots import BARS_FROM, BARS_WIDTH, WIDTH, audit_plots
from mesmer.report.audit_table import print_audit

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</style></svg></title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "[red]bold[/red] :smile:",
    "\x1b[31mred\x1b[0m\r\n\x00\u202eevil\u2028",
    "$\\frac$ & < > ' \"",
    "喜び\U0001f600",
)  # fmt: skip

VOID = {"meta", "br", "rect", "line"}
LEGAL = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "h1", "h2", "p", "ul",
    "li", "a", "span", "strong", "code", "br", "bdi", "details", "summary", "div", "table", "caption", "thead", "tbody",
    "tr", "th", "td", "figure", "figcaption", "svg", "rect", "text", "line",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "aria-label", "aria-labelledby", "role",
    "tabindex", "scope", "style", "viewbox", "x", "y", "x1", "x2", "y1", "y2", "width", "height",
}  # fmt: skip


class Page(HTMLParser):
    """Elements, attributes and texts of a page; every element must be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def made_audit(*names: str) -> Audit:
    """An audit that has something in every part, with ``names`` wherever a stranger names something."""
    name = names[0] if names else "plain"
    emotions = tuple(dict.fromkeys([*names, "anger", "fear"]))
    counts = {split: 7 * (n + 1) for n, split in enumerate(SPLITS)}
    label_counts = [{split: (n + 1) * counts[split] for split in SPLITS} for n in range(len(emotions))]
    leak = Leak(
        unit="speaker",
        of="test",
        with_="train",
        known=4,
        shared=1,
        names=tuple(names),
        utterances=20,
        affected=5,
        unknown=0,
        sentence="1 of the 4 speakers of test is also in train: 5 of its 20 utterances",
    )
    findings = [Finding(kind=kind, count=3, sentence=f"about {name}", splits=counts, ids=names) for kind in KINDS]
    findings.append(Finding(kind="same_id", count=2, sentence="two", groups=((*names, "other"),)))
    return Audit(
        name=name,
        source="dataset",
        corpus=name,
        emotions=emotions,
        splits={split: _counts(size) for split, size in [*counts.items(), ("all", 42)]},
        labels=tuple(
            LabelCounts(emotion=emotion, words_mean=None, seconds_mean=2.5, utterances=counted, paper=None)
            for emotion, counted in zip(emotions, label_counts, strict=True)
        ),
        together=tuple(tuple(3 if i == j else 1 for j in range(len(emotions))) for i in range(len(emotions))),
        labels_each={0: 3, 1: 5},
        lengths=(Lengths(title="Words per utterance", bins=("1-2", "3-5"), counts=dict.fromkeys(SPLITS, (1, 3))),),
        leaks=(leak, replace(leak, of="valid", affected=20, shared=4)),
        removed=(Removed(kind="left_out", rule=f"rule {name}", count=4, ids=names),),
        findings=tuple(findings),
        made={
            "rows_in": 46, "rows_out": 42, "quarantined": 4, "split_rule": name, "split_seed": 0,
            "settings": {"frame_interval_s": 0.5}, "made_with": {"mesmer": name}, "fingerprint": "ab",
        },
    )  # fmt: skip


def _counts(size: int) -> SplitCounts:
    return SplitCounts(utterances=size, names={"speaker": 3, "dialogue": 2, "video": 5}, hours=0.1, words_mean=3.5,
                       seconds_mean=2.0, present={"text": size}, frames=10, frames_with_face=9)  # fmt: skip


def check_safe(page: str) -> Page:
    read = Page(page)
    assert {tag for tag, _ in read.elements} <= LEGAL
    for tag, attributes in read.elements:
        assert set(attributes) <= ATTRIBUTES, (tag, attributes)
        assert tag != "a" or re.fullmatch(r"#[a-z]+", attributes["href"] or "")
        style = attributes.get("style")
        assert style is None or re.fullmatch(r"background-color: rgb\(0 114 178 / [0-9.]+%\)", style)
    (policy,) = [a["content"] or "" for a in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    (style_sheet,) = [text for tag, text in read.texts if tag == "style"]
    assert "url(" not in style_sheet
    assert "@import" not in style_sheet
    return read


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_and_cannot_act(name: str) -> None:
    read = check_safe(audit_page(made_audit(name)))
    titles = [text for tag, text in read.texts if tag == "title"]
    assert titles == [f"Audit of {shown(name)}"]
    assert [text for _, text in read.texts].count(shown(name)) >= 3  # among the ids, and as an emotion


@settings(max_examples=100, deadline=None)
@given(name=st.text(min_size=1, max_size=200))
def test_no_text_breaks_out_of_the_page(name: str) -> None:
    check_safe(audit_page(made_audit(name)))


@given(text=st.text(max_size=300))
def test_what_is_shown_is_printable_and_short(text: str) -> None:
    assert shown(text, 50).isprintable()
    assert len(shown(text, 50)) <= 51
    if text.isprintable() and len(text) <= 50:
        assert shown(text, 50) == text


def test_the_page_can_be_found_ones_way_through() -> None:
    read = check_safe(audit_page(made_audit("name")))
    headings = [tag for tag, _ in read.elements if tag in ("h1", "h2")]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert read.all("html")[0]["lang"] == "en"
    assert len(read.all("caption")) == len(read.all("table")) == 8
    assert all(cell["scope"] in ("row", "col") for cell in read.all("th"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in read.all("svg"))
    assert len(read.all("svg")) == len(read.all("figcaption")) == 3
    targets = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    assert {(link["href"] or "")[1:] for link in read.all("a")} <= targets
    assert len([attributes for _, attributes in read.elements if "id" in attributes]) == len(targets)
    severities = [text for tag, text in read.texts if tag == "span"]
    assert severities == [finding.severity for finding in made_audit("name").findings]
    (viewport,) = [a["content"] for a in read.all("meta") if a.get("name") == "viewport"]
    assert viewport == "width=device-width, initial-scale=1"


def test_the_page_has_parts_only_for_what_there_is() -> None:
    lists = Audit(
        name="lists",
        source="id lists",
        corpus="iemocap",
        emotions=(),
        splits={name: SplitCounts(utterances=5, names={"speaker": 2}) for name in (*SPLITS, "all")},
        paper=PAPER_TABLES["iemocap"],
    )
    read = check_safe(audit_page(lists))
    assert [text for tag, text in read.texts if tag == "h2"] == ["Findings", "Counts"]
    assert "None." in [text for _, text in read.texts]
    assert "Nothing wrong was found" in audit_page(lists)
    assert read.all("svg") == []
    cells = [text for tag, text in read.texts if tag == "bdi"]
    assert "5,162" in cells
    assert "7,380" in cells


def test_bars_are_as_long_as_their_numbers_and_stay_in_the_drawing() -> None:
    audit = made_audit("a name that is much too long to stand beside a bar")
    page = audit_page(audit)
    plots = {plot.title: plot for plot in audit_plots(audit)}
    drawings = re.findall(r"<figcaption>(.*?)</figcaption>\s*(<svg.*?</svg>)", page, re.DOTALL)
    assert [title for title, _ in drawings] == [plots[title].title for title, _ in drawings]
    for title, source in drawings:
        drawing = ElementTree.fromstring(source)
        bars = [r for r in drawing.findall("rect") if float(r.attrib["x"]) == BARS_FROM and float(r.attrib["y"]) > 10]
        ends = [
            t.text or "" for t in drawing.findall("text") if float(t.attrib["x"]) > BARS_FROM and float(t.attrib["y"]) > 20
        ]
        assert len(bars) == len(ends) == len(plots[title].bars) > 0
        numbers = [float(end.replace(",", "").removesuffix(" %")) for end in ends]
        widths = [float(bar.attrib["width"]) for bar in bars]
        largest = 100.0 if "also in train" in title else max(numbers)
        assert widths == pytest.approx([BARS_WIDTH * number / largest for number in numbers], abs=0.01)
        bottoms = [float(bar.attrib["y"]) + float(bar.attrib["height"]) for bar in bars]
        assert all(a <= float(b.attrib["y"]) for a, b in zip(bottoms, bars[1:], strict=False))  # none covers another
        assert bottoms[-1] <= float(drawing.attrib["viewBox"].split()[3])
        assert max(widths) + BARS_FROM + 40 <= WIDTH  # room for the number
    (shares,) = (plot for plot in plots.values() if plot.section == "leakage")
    assert [bar.text for bar in shares.bars] == ["25 %", "100 %"]


def test_colours_can_be_read_and_told_apart() -> None:
    page = audit_page(made_audit("x"))
    named = dict(re.findall(r"--(\w+): (#\w+);", page))
    assert "body { margin: 0; background: var(--ground); color: var(--ink);" in page
    badges = re.findall(r"background: (#\w+); color: (#\w+)", page)
    assert len(badges) == 3
    text_on = [(named["ground"], named["ink"]), *badges]
    for ground, ink in [*text_on, ("#f6f6f6", "#4a4a4a"), ("#ffffff", "#4a4a4a"), ("#ffffff", "#00548a")]:
        assert ink in page
        assert _contrast(ground, ink) >= 4.5, (ground, ink)
    # The darkest cell of the co-occurrence is 60 % blue on white; its number is black.
    blue = "#" + "".join(f"{round(0.6 * part + 0.4 * 255):02x}" for part in (0, 114, 178))
    assert _contrast(blue, "#1a1a1a") >= 4.5
    # The three splits differ in lightness, so they can be told apart without seeing colours.
    fills = [re.search(rf"svg \.{split} {{ fill: (#\w+)", page) for split in SPLITS]
    lights = sorted(_light(match[1]) for match in fills if match)
    assert len(lights) == 3
    assert all((b + 0.05) / (a + 0.05) > 2 for a, b in pairwise(lights))
    assert "stroke: #1a1a1a" in page  # a light bar on white still has its outline


def _light(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_light(one), _light(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_page_names_at_most_a_hundred_ids_of_a_finding() -> None:
    finding = Finding(kind="silent", count=5000, sentence="many", ids=tuple(f"id-{n}" for n in range(5000)))
    page = audit_page(replace(made_audit("x"), findings=(finding,)))
    assert "id-99<" in page
    assert "id-100<" not in page
    assert "The first 100" in page


def test_the_documentation_names_every_kind_with_its_severity() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`.+?) \| (error|warning|note) \|", text, re.MULTILINE)
    told = {kind: severity for kinds, severity in table for kind in re.findall(r"`(\w+)`", kinds)}
    assert told == {name: kind.severity for name, kind in KINDS.items()}


# --- the terminal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_does_nothing_to_a_terminal(name: str) -> None:
    out = io.StringIO()
    print_audit(made_audit(name), file=out, width=120)
    printed = out.getvalue()
    assert all(mark.isprintable() or mark == "\n" for mark in printed)
    assert shown(name) in printed


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_finding_is_printed_and_no_line_is_too_long(width: int) -> None:
    audit = made_audit("u001")
    out = io.StringIO()
    print_audit(audit, file=out, width=width)
    lines = out.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    flat = " ".join(out.getvalue().split())
    for finding in audit.findings:
        assert f"{finding.severity} ({finding.kind}): {finding.sentence}" in flat
    assert verdict(audit) in flat


def test_the_papers_figures_are_printed_beside_ours() -> None:
    paper = PAPER_TABLES["iemocap"]
    labels = tuple(
        LabelCounts(emotion=e, words_mean=1.0, seconds_mean=2.0, utterances=dict.fromkeys(SPLITS, 4), paper=paper.rows[e])
        for e in IEMOCAP_EMOTIONS
    )
    out = io.StringIO()
    print_audit(replace(made_audit("x"), labels=labels, paper=paper), file=out, width=200)
    anger = next(line for line in out.getvalue().splitlines() if "anger" in line and "15.96" in line)
    assert re.findall(r"[\d.,]+", anger) == ["1.00", "2.00", "4", "4", "4", "15.96", "4.51", "757", "112", "234"]
    assert "Table 1" in out.getvalue()


def test_the_verdict_counts_by_severity() -> None:
    audit = made_audit("x")
    assert verdict(replace(audit, findings=())) == "nothing was found wrong"
    some = tuple(Finding(kind=kind, count=1, sentence="s") for kind in ("same_id", "silent", "silent", "told"))
    assert verdict(replace(audit, findings=some)) == "1 error, 2 warnings, 1 note"
