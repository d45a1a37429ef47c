"""What is known about a file after it was analysed: plain frozen records, and the JSON they are written as.

The JSON follows ``analysis.schema.json`` beside this file (JSON Schema 2020-12). ``VERSION`` rises with every change
after which an older reader would go wrong; new keys alone do not raise it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mesmer.records import MODALITIES, Prediction

FORMAT = "mesmer-analysis"
VERSION = 1
SCHEMA_FILE = "analysis.schema.json"


@dataclass(frozen=True, kw_only=True)
class AnalyzedPerson:
    """One face track: when it was first and last seen, for how long in all, and its clearest sight.

    ``thumbnail`` is uint8 (48, 48, 3); it is no part of the JSON, which names the file of the picture, if one was written.
    """

    number: int
    first_s: float
    last_s: float
    seen_s: float
    thumbnail: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    thumbnail_file: str | None = None


@dataclass(frozen=True, kw_only=True)
class AnalyzedUtterance:
    """One utterance of one person.

    Attributes:
        id: ``u0001`` and so on, in order.
        start_s, end_s: in seconds from the start of the file.
        kind: ``speech``, or ``gap`` where none was heard.
        person: number of the face track that speaks (in a gap: that is seen); None where nobody in the picture does.
        speaker_share: share of all mouth movement that is the speaker's, where several faces are seen.
        text: what is said; None where the words are not known.
        prediction: what is expressed; None where there was nothing to read.
        absent: modality -> why it could not be used.
        warnings: sentences about this utterance.
    """

    id: str
    start_s: float
    end_s: float
    kind: Literal["speech", "gap"]
    person: int | None
    speaker_share: float | None
    text: str | None
    prediction: Prediction | None
    absent: Mapping[str, str]
    warnings: Sequence[str]

    @property
    def contributions(self) -> dict[str, float]:
        """Modality -> share, 0 to 1, of all that speaks for or against any emotion; they add up to 1."""
        if self.prediction is None:
            return {}
        shares = self.prediction.modality_shares
        sizes = {name: sum(abs(value) for value in shares[name].values()) for name in MODALITIES if name in shares}
        total = sum(sizes.values())
        return {name: size / total for name, size in sizes.items()} if total > 0 else {}

    def to_json(self) -> dict[str, Any]:
        """Return plain types."""
        told = self.prediction
        emotions = {}
        if told is not None:
            for name, probability in told.probabilities.items():
                emotions[name] = {
                    "probability": probability,
                    "threshold": told.thresholds[name],
                    "expressed": name in told.decisions,
                    "unsure": name in told.unsure,
                    "log_odds": {modality: shares[name] for modality, shares in told.modality_shares.items()},
                    "log_odds_offset": told.offsets.get(name, 0.0),
                }
        return {
            "id": self.id,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "kind": self.kind,
            "person": self.person,
            "speaker_share": self.speaker_share,
            "text": self.text,
            "emotions": emotions,
            "modalities_used": [] if told is None else list(told.modalities_used),
            "contributions": self.contributions,
            "absent": dict(self.absent),
            "warnings": list(self.warnings),
            "cost": {} if told is None else dict(told.cost),
        }


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Who expressed what, when, in one file.

    Attributes:
        source: ``name``, ``size_bytes``, ``modified_ns``, ``duration_s``, and what else the file says of itself.
        model: ``name``, ``folder``, ``emotions``, ``top_p``.
        made_by: ``version`` of this program, and the ``settings``, ``hearing`` and source of ``words`` in use.
        complete: False where it was stopped, or the file broke off with an error; ``analyzed_s`` says how far it came.
        people, utterances: in order of time.
        warnings: sentences about the file as a whole.
        cost: ``seconds_*`` per stage and ``real_time_factor`` (seconds of video per second of work).
    """

    source: Mapping[str, Any]
    model: Mapping[str, Any]
    made_by: Mapping[str, Any]
    complete: bool
    analyzed_s: float
    people: Sequence[AnalyzedPerson]
    utterances: Sequence[AnalyzedUtterance]
    warnings: Sequence[str]
    cost: Mapping[str, float]

    @property
    def emotions(self) -> list[str]:
        """The emotions the model knows."""
        return list(self.model["emotions"])

    def to_json(self) -> dict[str, Any]:
        """Return plain types that follow the schema."""
        people = []
        for person in self.people:
            record = {key: value for key, value in asdict(person).items() if key != "thumbnail"}
            people.append(record)
        return {
            "format": FORMAT,
            "version": VERSION,
            "source": dict(self.source),
            "model": dict(self.model),
            "made_by": dict(self.made_by),
            "complete": self.complete,
            "analyzed_s": self.analyzed_s,
            "people": people,
            "utterances": [utterance.to_json() for utterance in self.utterances],
            "warnings": list(self.warnings),
            "cost": dict(self.cost),
        }


def schema() -> dict[str, Any]:
    """Return the JSON Schema of :meth:`Analysis.to_json`."""
    return dict(json.loads(files("mesmer.analysis").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")))
