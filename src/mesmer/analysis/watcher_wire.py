"""What a process that watches people tells: plain arrays of numbers, one after the other; nothing is unpickled.

A picture of a face is sent again only when a clearer one has been seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.people import Habits, Sighting
from mesmer.analysis.result import AnalyzedPerson
from mesmer.analysis.watching import Everyone, Seen

ANSWER_BYTES_MAX = 2**30
_COUNTS = ("frames", "faceless", "overlapping")
_SIGHTING, _HABIT, _PERSON = 9, 5, 4
_THUMBNAIL = (48, 48, 3)


class Teller:
    """Packs answers, and remembers which pictures were sent."""

    def __init__(self) -> None:
        self._sent: dict[int, NDArray[np.uint8]] = {}

    def packed(self, seen: Seen) -> tuple[dict[str, Any], bytes]:
        """Return header and bytes of an answer."""
        rows = [_sighting_row(number, one) for number, ones in seen.sightings.items() for one in ones]
        habits = [(n, one.rest, one.talking, one.like, one.unlike) for n, one in seen.habits.items()]
        people = [(one.number, one.first_s, one.last_s, one.seen_s) for one in seen.everyone.people]
        clearer = {
            one.number: one.thumbnail
            for one in seen.everyone.people
            if one.thumbnail is not None and self._sent.get(one.number) is not one.thumbnail
        }
        self._sent |= clearer
        header = {"sightings": len(rows), "habits": len(habits), "people": len(people), "pictures": len(clearer)}
        header |= {name: getattr(seen.everyone, name) for name in _COUNTS}
        tables = [np.asarray(table, np.float64).tobytes() for table in (rows, habits, people, list(clearer))]
        return header, b"".join([*tables, *(picture.tobytes() for picture in clearer.values())])


class Listener:
    """Unpacks answers, and keeps the pictures that were sent.

    ``everyone`` is what the last answer knew.
    """

    def __init__(self) -> None:
        self._pictures: dict[int, NDArray[np.uint8]] = {}
        self.everyone = Everyone()

    def unpacked(self, header: dict[str, Any], data: NDArray[np.uint8]) -> Seen:
        """Return an answer."""
        sizes = [
            header["sightings"] * _SIGHTING * 8,
            header["habits"] * _HABIT * 8,
            header["people"] * _PERSON * 8,
            header["pictures"] * 8,
        ]
        *tables, pictures = np.split(data, np.cumsum(sizes))
        rows, habits, people, clearer = (np.frombuffer(table.tobytes(), np.float64) for table in tables)
        for number, picture in zip(clearer, pictures.reshape(-1, *_THUMBNAIL), strict=True):
            self._pictures[int(number)] = picture.copy()
        self.everyone = Everyone(
            people=[self._person(row) for row in people.reshape(-1, _PERSON).tolist()],
            **{name: header[name] for name in _COUNTS},
        )
        sightings: dict[int, list[Sighting]] = {}
        for row in rows.reshape(-1, _SIGHTING):
            sightings.setdefault(int(row[0]), []).append(_sighting(row))
        return Seen(
            sightings=sightings,
            habits={
                int(number): Habits(rest=rest, talking=talking, like=like, unlike=unlike)
                for number, rest, talking, like, unlike in habits.reshape(-1, _HABIT).tolist()
            },
            everyone=self.everyone,
        )

    def _person(self, row: list[float]) -> AnalyzedPerson:
        number, first_s, last_s, seen_s = row
        picture = self._pictures.get(int(number))
        return AnalyzedPerson(number=int(number), first_s=first_s, last_s=last_s, seen_s=seen_s, thumbnail=picture)


def _sighting_row(number: int, one: Sighting) -> tuple[float, ...]:
    mouth, unlike = (np.nan if value is None else value for value in (one.mouth, one.unlike_rest))
    return (number, one.time_s, *one.box_px.tolist(), mouth, unlike, one.found)


def _sighting(row: NDArray[np.float64]) -> Sighting:
    mouth, unlike = (None if np.isnan(value) else float(value) for value in row[6:8])
    box_px = row[2:6].astype(np.float32)
    return Sighting(time_s=float(row[1]), box_px=box_px, mouth=mouth, unlike_rest=unlike, found=bool(row[8]))
