"""An HTML page as a reader that knows nothing of its templates sees it; and the results such pages are made of."""

from __future__ import annotations

import random
from html.parser import HTMLParser
from typing import Any

import numpy as np
from numpy.typing import NDArray

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
VOID = {"meta", "br", "img"}


class Element:
    """An element, what is in it, and all its text."""

    def __init__(self, tag: str, attributes: dict[str, str | None], above: Element | None) -> None:
        self.tag, self.attributes, self.above = tag, attributes, above
        self.inside: list[Element | str] = []

    def all(self, tag: str | None = None, **wanted: str) -> list[Element]:
        """Every element below, in order; ``class_`` must be one of its classes."""
        found: list[Element] = []
        for one in self.inside:
            if isinstance(one, Element):
                if (tag is None or one.tag == tag) and all(one._has(name, value) for name, value in wanted.items()):
                    found.append(one)
                found += one.all(tag, **wanted)
        return found

    def text(self) -> str:
        """All text below, with single spaces."""
        parts = [one if isinstance(one, str) else one.text() for one in self.inside]
        return " ".join(" ".join(parts).split())

    def _has(self, name: str, value: str) -> bool:
        found = self.attributes.get(name.rstrip("_").replace("_", "-")) or ""
        return value in found.split() if name == "class_" else found == value


class Page(HTMLParser):
    """A page; every element must be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("", {}, None)
        self.feed(page)
        self.close()
        assert self.here is self.root

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        element = Element(tag, dict(attributes), self.here)
        self.here.inside.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.here.inside.append(Element(tag, dict(attributes), self.here))

    def handle_endtag(self, tag: str) -> None:
        assert self.here.tag == tag
        assert self.here.above is not None
        self.here = self.here.above

    def handle_data(self, data: str) -> None:
        self.here.inside.append(data)


def made_result(
    count: int = 12, *, seed: int = 0, people: int = 2, name: str = "talk.mp4", said: str = "we lost it", **changed: Any
) -> dict[str, Any]:
    """A result in which every state of an emotion, missing modalities, a gap and a row without an answer occur."""
    rng = random.Random(seed)
    rows, at_s = [], 0.5
    for number in range(1, count + 1):
        long_s = rng.choice((0.5, 1.125, 2.375, 4.0))
        rows.append(_row(number, at_s, at_s + long_s, person=rng.choice((*range(1, people + 1), None)), said=said, rng=rng))
        at_s += long_s + rng.choice((-0.25, 0.5, 1.5))
    if count > 3:
        rows[1] |= {"kind": "gap", "text": None, "absent": {"text": "no text", "audio": "no speech"}}
        rows[2] |= {"emotions": {}, "contributions": {}, "modalities_used": [], "warnings": ["no answer: nothing to read"]}
    end_s = max([10.0, *(row["end_s"] for row in rows)])
    return {
        "format": "mesmer-analysis",
        "version": 1,
        "source": {
            "name": name,
            "size_bytes": 1234,
            "duration_s": end_s,
            "has_video": True,
            "has_audio": True,
            "fps": 25.0,
        },
        "model": {"name": "mesm", "folder": "run/model", "sha256": "ab" * 32, "emotions": list(EMOTIONS), "top_p": 0.5},
        "made_by": {"version": "0.1", "hearing": "silero-vad", "words": "a.srt", "settings": {"pause_s": 0.3}},
        "complete": True,
        "analyzed_s": end_s,
        "people": [
            {"number": n, "first_s": 0.0, "last_s": 9.0, "seen_s": 8.5, "thumbnail_file": None}
            for n in range(1, people + 1)
        ],
        "utterances": rows,
        "warnings": ["no face in 40 % of the time"],
        "cost": {
            "seconds_reading": 1.25,
            "seconds_faces": 2.5,
            "seconds_total": 4.0,
            "real_time_factor": 7.5,
            "multiply_adds": 2_000_000,
            "dense_multiply_adds": 8_000_000,
        },
        **changed,
    }


def _row(number: int, start_s: float, end_s: float, *, person: int | None, said: str, rng: random.Random) -> dict[str, Any]:
    words, voice = sorted((rng.random(), rng.random()))
    return {
        "id": f"u{number:04d}",
        "start_s": start_s,
        "end_s": end_s,
        "kind": "speech",
        "person": person,
        "speaker_share": None,
        "text": f"{said} {number}",
        "emotions": {
            name: {
                "probability": rng.random(), "threshold": 0.4, "expressed": rng.random() < 0.3,
                "unsure": rng.random() < 0.3, "log_odds": {}, "log_odds_offset": 0.0,
            }
            for name in EMOTIONS
        },
        "modalities_used": ["text", "audio", "visual"],
        "contributions": {"text": words, "audio": voice - words, "visual": 1 - voice},
        "absent": {},
        "warnings": [f"hard to tell who speaks: this mouth has {40 + number % 10} % of all mouth movement"],
        "cost": {},
    }  # fmt: skip


def drawn_face(seed: int) -> NDArray[np.uint8]:
    """Noise of the size of a face."""
    return np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)
