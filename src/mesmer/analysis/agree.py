"""A result held against what people coded: who agrees with whom on each emotion, by utterance and by time.

What is compared is laid down by the tool's rows (utterances of a person):

- **by time**: each 0.1 s of each row whose middle lies in it. A coder rates it if one of the coder's stretches about that
  person (or about nobody in particular) holds that middle, with "expressed" if any of these says so;
- **by utterance**: each row. A coder rates it if the coder's stretches cover at least half of it, with "expressed" if those
  that say so cover at least half of what is covered.

The tool rates a row, and all of its 0.1 s, as it decided. Intervals draw whole utterances anew (all their 0.1 s together),
or whole people where ten or more speak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mesmer.analysis.code_ratings import Ratings, Stretches, by_time, by_utterance
from mesmer.analysis.codes import MAX_CODERS, Codes
from mesmer.analysis.rated import Result
from mesmer.errors import DataError
from mesmer.evaluation.agreement import (
    GroupAgreement,
    PairAgreement,
    Resampled,
    group_agreement,
    pair_agreement,
    resampled,
)
from mesmer.evaluation.bootstrap import clusters_of
from mesmer.evaluation.table import Resampling

TOOL = "mesmer"
"""The tool's name among the raters."""
PEOPLE_TO_DRAW = 10


@dataclass(frozen=True, kw_only=True)
class EmotionAgreement:
    """Agreement on one emotion: of each two raters, of all, and (with two or more) of the coders among themselves."""

    emotion: str
    pairs: Mapping[tuple[str, str], PairAgreement]
    everyone: GroupAgreement
    coders: GroupAgreement | None


@dataclass(frozen=True, kw_only=True)
class Level:
    """Agreement by ``utterances`` or by ``time``: how many units there are, and of what whole clusters are drawn."""

    name: str
    units: int
    clusters: int
    clustered_by: str
    emotions: Sequence[EmotionAgreement]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A result held against codes. ``raters`` begin with the tool."""

    raters: Sequence[str]
    levels: Sequence[Level]
    resampling: Resampling
    notes: Sequence[str]


def agree(
    result: Result,
    codes: Sequence[Codes],
    *,
    people: Mapping[str, int] | None = None,
    emotions: Sequence[str] = (),
    all_coded: bool = False,
    shift_s: float = 0.0,
    resampling: Resampling | None = None,
) -> Agreement:
    """Hold a result against codes.

    Args:
        result: of the tool.
        codes: of one or several files.
        people: what coders call someone -> number of the face track; ``1``, ``person 1`` and ``unseen`` need none.
        emotions: those that coders could choose from; none given: those that were coded at least once.
        all_coded: what is in no code was looked at too, and shows nothing.
        shift_s: is added to the times of all codes.
        resampling: of the intervals.

    Raises:
        DataError: the result has no rows, a person is not known, or there are too many coders or one by the tool's name.
    """
    resampling = resampling or Resampling()
    if not result.rows:
        raise DataError("there is no utterance in it to compare", file=result.path)
    coders = list(dict.fromkeys(name for one in codes for name in one.coders))
    if TOOL in coders or not 1 <= len(coders) <= MAX_CODERS:
        problem = f"a coder is called '{TOOL}'" if TOOL in coders else f"{len(coders)} coders"
        raise DataError(problem, field="coder", remedy=f"give 1 to {MAX_CODERS} coders, of other names")
    chosen, notes = _emotions(result, codes, emotions)
    stretches = Stretches(result, codes, people=people or {}, all_coded=all_coded, shift_s=shift_s)
    levels = [
        _level("utterances", by_utterance(result, stretches, coders, chosen), result, coders, chosen, resampling),
        _level("time", by_time(result, stretches, coders, chosen), result, coders, chosen, resampling),
    ]
    notes = [*(note for one in codes for note in one.notes), *notes, *stretches.notes()]
    return Agreement(raters=[TOOL, *coders], levels=levels, resampling=resampling, notes=notes)


def _emotions(result: Result, codes: Sequence[Codes], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the emotions that are compared, and what to say of the others."""
    if wanted:
        return [name for name in result.emotions if name in wanted], []
    coded = {name for one in codes for code in one.codes for name in (code.named | (code.rated or frozenset()))}
    coded |= {emotion for one in codes for _, _, emotion in one.throughout}
    chosen = [name for name in result.emotions if name in coded]
    if not chosen:
        remedy = f"the model knows: {', '.join(result.emotions)}; name words of your own with --words"
        raise DataError("no emotion of the model was coded", file=result.path, remedy=remedy)
    left = [name for name in result.emotions if name not in coded]
    return chosen, [f"never coded, so not compared (see --emotions): {', '.join(left)}"] if left else []


def _level(
    name: str,
    rated: Ratings,
    result: Result,
    coders: Sequence[str],
    emotions: Sequence[str],
    resampling: Resampling,
) -> Level:
    ratings, owners = rated
    speak = {row.person for row in result.rows} - {None}
    by_people = len(speak) >= PEOPLE_TO_DRAW
    names = [
        f"person {row.person}" if by_people and row.person is not None else f"utterance {place}"
        for place, row in enumerate(result.rows)
    ]
    clusters = clusters_of([names[owner] for owner in owners.tolist()])
    how = resampled(clusters, resamples=resampling.resamples, seed=resampling.seed)
    return Level(
        name=name,
        units=len(ratings),
        clusters=clusters.count,
        clustered_by="people" if by_people else "utterances",
        emotions=[_emotion(emotion, ratings[:, :, column], coders, how) for column, emotion in enumerate(emotions)],
    )


def _emotion(emotion: str, ratings: NDArray[np.int8], coders: Sequence[str], how: Resampled) -> EmotionAgreement:
    raters = [TOOL, *coders]
    return EmotionAgreement(
        emotion=emotion,
        pairs={
            (raters[a], raters[b]): pair_agreement(ratings[:, a], ratings[:, b], how)
            for a, b in combinations(range(len(raters)), 2)
        },
        everyone=group_agreement(ratings, how),
        coders=group_agreement(ratings[:, 1:], how) if len(coders) > 1 else None,
    )
