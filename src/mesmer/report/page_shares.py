"""How much of the time each emotion was expressed: by one person, or by all of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesmer.report.html_pages import plain
from mesmer.report.page_rows import Row, colours_of, count, length


@dataclass(frozen=True, kw_only=True)
class Share:
    """One emotion's part, in percent, of the time that was answered: of sure decisions for it, and of unsure ones."""

    emotion: str
    colour: int
    sure: float
    unsure: float

    @property
    def text(self) -> str:
        """The same in words."""
        if self.sure == 0 and self.unsure == 0:
            return "never"
        return f"{self.sure:.0f}\u00a0%" + (f" + {self.unsure:.0f}\u00a0% unsure" if self.unsure else "")


def make_shares(rows: Sequence[Row], emotions: Sequence[str]) -> list[Share]:
    """Return the share of each emotion, in the order given; none where nothing was answered."""
    answered = [row for row in rows if row.cells]
    total_s = sum(row.end_s - row.start_s for row in answered)
    if total_s <= 0:
        return []
    colours = colours_of(emotions)
    shares = []
    for place, name in enumerate(emotions):
        sums = {"yes": 0.0, "unsure": 0.0, "no": 0.0}
        for row in answered:
            state = row.cells[place].state
            sums["unsure" if state in ("yes?", "no?") else state] += row.end_s - row.start_s
        sure, unsure = 100 * sums["yes"] / total_s, 100 * sums["unsure"] / total_s
        shares.append(Share(emotion=plain(name, 60), colour=colours[name], sure=sure, unsure=unsure))
    return shares


def mostly(shares: Sequence[Share]) -> str:
    """Return the one or two emotions that are surely expressed for longest, in words."""
    first = sorted((share for share in shares if share.sure >= 0.5), key=lambda share: -share.sure)[:2]
    if not shares:
        return "no answer"
    return (
        " and ".join(f"{share.emotion} ({share.sure:.0f}\u00a0%)" for share in first) or "none of these emotions for sure"
    )


@dataclass(frozen=True, kw_only=True)
class Card:
    """One person at a glance."""

    name: str
    person: int | None
    facts: str
    shares: Sequence[Share]
    mostly: str


def make_cards(value: Mapping[str, Any], rows: Sequence[Row], *, most: int) -> tuple[list[Card], list[int]]:
    """Return a card for each of the ``most`` who have the most to be read, by number; and who was seen only."""
    by_person: dict[int | None, list[Row]] = {}
    for row in rows:
        by_person.setdefault(row.person, []).append(row)
    seen = {person["number"]: person for person in value["people"]}
    longest = sorted(by_person.items(), key=lambda pair: -_seconds(pair[1]))[:most]
    cards = []
    for person, mine in sorted(longest, key=lambda pair: (pair[0] is None, pair[0] or 0)):
        facts = f"{length(_seconds(mine))} in {count(len(mine), 'utterance')}"
        if person in seen:
            facts += f"; face seen for {length(seen[person]['seen_s'])}"
        shares = make_shares(mine, value["model"]["emotions"])
        cards.append(Card(name=mine[0].who, person=person, facts=facts, shares=shares, mostly=mostly(shares)))
    return cards, [number for number in seen if number not in by_person]


def _seconds(rows: Sequence[Row]) -> float:
    return sum(row.end_s - row.start_s for row in rows)
