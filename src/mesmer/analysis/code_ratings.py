"""Codes laid on the rows of a result: how each coder rates each row, and each 0.1 s of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.codes import Code, Codes
from mesmer.analysis.rated import RatedRow, Result
from mesmer.errors import DataError
from mesmer.evaluation.agreement import MISSING

UNSEEN = "unseen"
"""As a person of a code: speech whose speaker is not in the picture."""
SLICE_S = 0.1
LEAST_COVERED = 0.5

Ratings = tuple[NDArray[np.int8], NDArray[np.int64]]
"""Ratings (U, Q, L), those of the tool first, and the row that each unit belongs to (U,)."""


class Stretches:
    """The stretches of each coder that speak of a person and an emotion; arguments as those of ``agree``."""

    def __init__(
        self,
        result: Result,
        codes: Sequence[Codes],
        *,
        people: Mapping[str, int],
        all_coded: bool,
        shift_s: float,
    ) -> None:
        known = {row.person for row in result.rows}
        numbers = {name: _number(name, people, known) for one in codes for name in _people_of(one)}
        self._rows = result.rows
        self._all_coded = all_coded
        self._codes: list[tuple[Code, int | None]] = [
            (code, None if code.person is None else numbers[code.person]) for one in codes for code in one.codes
        ]
        self._times = np.array([(code.start_s + shift_s, code.end_s + shift_s) for code, _ in self._codes]).reshape(-1, 2)
        self._throughout = {
            (coder, None if person is None else numbers[person], emotion)
            for one in codes
            for coder, person, emotion in one.throughout
        }

    def about(self, row: RatedRow) -> list[tuple[Code, float, float]]:
        """Return the codes that reach into a row and are about its person, with their times."""
        own = -1 if row.person is None else row.person
        inside = np.flatnonzero((self._times[:, 0] < row.end_s) & (self._times[:, 1] > row.start_s))
        found = []
        for place in inside.tolist():
            code, person = self._codes[place]
            if person is None or person == own:
                found.append((code, float(self._times[place, 0]), float(self._times[place, 1])))
        return found

    def everywhere(self, coder: str, row: RatedRow, emotion: str) -> bool:
        """Whether a coder looked at all of a row for an emotion."""
        own = -1 if row.person is None else row.person
        return self._all_coded or any((coder, person, emotion) in self._throughout for person in (None, own))

    def notes(self) -> list[str]:
        """Return a sentence on codes that lie in no row."""
        used = np.zeros(len(self._codes), dtype=bool)
        for row in self._rows:
            used |= (self._times[:, 0] < row.end_s) & (self._times[:, 1] > row.start_s)
        lost = int((~used).sum())
        return [f"{lost} of {len(used)} codes lie where the tool has no utterance, and were not compared"] if lost else []


def _people_of(codes: Codes) -> list[str]:
    names = [code.person for code in codes.codes] + [person for _, person, _ in codes.throughout]
    return [name for name in dict.fromkeys(names) if name is not None]


def _number(name: str, people: Mapping[str, int], known: set[int | None]) -> int:
    """Return the number of the face track that a coder's name means; -1 for those outside of the picture."""
    if name in people:
        return people[name]
    plain = name.lower().removeprefix("person ").strip()
    if plain == UNSEEN:
        return -1
    if plain.isascii() and plain.isdigit() and len(plain) < 7:
        return int(plain)
    there = ", ".join(str(number) for number in sorted(number for number in known if number is not None))
    remedy = f"say which face it is: --people '{name}=1'; the result has: {there or 'no face'}"
    raise DataError(f"nobody knows who '{name}' is", field="person", remedy=remedy)


def by_utterance(result: Result, stretches: Stretches, coders: Sequence[str], emotions: Sequence[str]) -> Ratings:
    """Return the ratings of each row."""
    ratings = np.full((len(result.rows), 1 + len(coders), len(emotions)), MISSING, np.int8)
    for place, row in enumerate(result.rows):
        ratings[place, 0] = _decided(row, emotions)
        about = stretches.about(row)
        for rater, coder in enumerate(coders, start=1):
            for column, emotion in enumerate(emotions):
                ratings[place, rater, column] = _majority(
                    row, _of(about, coder, emotion), emotion, whole=stretches.everywhere(coder, row, emotion)
                )
    return ratings, np.arange(len(result.rows))


def by_time(result: Result, stretches: Stretches, coders: Sequence[str], emotions: Sequence[str]) -> Ratings:
    """Return the ratings of each 0.1 s of each row."""
    parts, owners = [], []
    for place, row in enumerate(result.rows):
        first, past = (int(np.ceil(at_s / SLICE_S - 0.5 - 1e-9)) for at_s in (row.start_s, row.end_s))
        middles_s = (np.arange(first, past) + 0.5) * SLICE_S
        ratings = np.full((len(middles_s), 1 + len(coders), len(emotions)), MISSING, np.int8)
        ratings[:, 0] = _decided(row, emotions)
        about = stretches.about(row)
        for rater, coder in enumerate(coders, start=1):
            for column, emotion in enumerate(emotions):
                rated = ratings[:, rater, column]
                if stretches.everywhere(coder, row, emotion):
                    rated[:] = 0
                for code, start_s, end_s in _of(about, coder, emotion):
                    inside = (middles_s >= start_s - 1e-9) & (middles_s < end_s - 1e-9)
                    rated[inside] = np.maximum(rated[inside], np.int8(emotion in code.named))
        parts.append(ratings)
        owners.append(np.full(len(middles_s), place))
    return np.concatenate(parts), np.concatenate(owners)


def _decided(row: RatedRow, emotions: Sequence[str]) -> list[int]:
    return [MISSING if row.expressed is None else int(emotion in row.expressed) for emotion in emotions]


_About = Sequence[tuple[Code, float, float]]


def _of(about: _About, coder: str, emotion: str) -> _About:
    """Return the codes of one coder that rate an emotion."""
    return [one for one in about if one[0].coder == coder and (one[0].rated is None or emotion in one[0].rated)]


def _majority(row: RatedRow, about: _About, emotion: str, *, whole: bool) -> int:
    """Return a coder's rating of a row."""
    covered_s = row.end_s - row.start_s if whole else _covered_s(row, about)
    if covered_s <= 0 or covered_s < LEAST_COVERED * (row.end_s - row.start_s) - 1e-9:
        return MISSING
    there_s = _covered_s(row, [one for one in about if emotion in one[0].named])
    return int(there_s >= LEAST_COVERED * covered_s - 1e-9)


def _covered_s(row: RatedRow, about: _About) -> float:
    """Return how much of a row the stretches cover together."""
    covered_s, until_s = 0.0, row.start_s
    for _, start_s, end_s in sorted(about, key=lambda one: one[1]):
        from_s, to_s = max(start_s, until_s), min(end_s, row.end_s)
        if to_s > from_s:
            covered_s, until_s = covered_s + to_s - from_s, to_s
    return covered_s
