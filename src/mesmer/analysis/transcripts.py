"""Words that the user has already: subtitles with times (SRT, WebVTT), or a plain text.

The words of a subtitle are spread evenly over its time; each goes to the utterance in which it falls. A word between two
utterances goes to the nearer one, if that is not far. A text without times serves a file with one utterance only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import pysubs2

from mesmer.errors import ConfigError
from mesmer.storage.hashes import sha256_bytes
from mesmer.storage.reading import read_bytes

ENDINGS = (".srt", ".vtt", ".txt")
MAX_BYTES = 8 * 1024 * 1024
MAX_CUES = 50_000
NEAR_S = 0.5
"""A word that falls between utterances may be so far from one and still belong to it."""

_TAG = re.compile(r"<[^<>]*>|\{[^{}]*\}")
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One subtitle: when it is shown, and its words without markup."""

    start_s: float
    end_s: float
    words: tuple[str, ...]

    def times_s(self) -> list[float]:
        """Return a time for each word, evenly spread."""
        step_s = (self.end_s - self.start_s) / max(len(self.words), 1)
        return [self.start_s + (place + 0.5) * step_s for place in range(len(self.words))]


class Transcript:
    """The words of one file, handed to utterances as they are found, in order of time.

    Args:
        name, digest: of the file they come from.
        cues: subtitles, in any order.
        whole: a text without times instead.
    """

    def __init__(self, *, name: str, digest: str = "", cues: Sequence[Cue] = (), whole: str | None = None) -> None:
        self.name = name
        self.digest = digest
        self.whole = whole
        timed = [(time_s, word) for cue in sorted(cues, key=lambda cue: cue.start_s) for time_s, word in _timed(cue)]
        self._words = sorted(timed, key=lambda item: item[0])
        self._next = 0
        self.left_out = 0
        """Words that fell where no speech was heard."""

    def rewound(self) -> Transcript:
        """Return the same words, none of them handed out yet."""
        fresh = copy(self)
        fresh._next = fresh.left_out = 0
        return fresh

    def words_of(self, stretches: Sequence[tuple[float, float]]) -> list[str]:
        """Return the words of utterances that follow one another or overlap; later calls must be for later stretches.

        A word within several of them goes to the one that lies most evenly around it.
        """
        if not stretches:
            return []
        first_s, last_s = min(a for a, _ in stretches) - NEAR_S, max(b for _, b in stretches) + NEAR_S / 2
        found: list[list[str]] = [[] for _ in stretches]
        while self._next < len(self._words) and self._words[self._next][0] < last_s:
            time_s, word = self._words[self._next]
            self._next += 1
            if time_s < first_s:
                self.left_out += 1
                continue
            middles = [abs(time_s - (a + b) / 2) - (b - a) / 2 for a, b in stretches]
            found[middles.index(min(middles))].append(word)
        return [" ".join(words) for words in found]

    def finish(self) -> int:
        """Return how many words belong to no utterance."""
        return self.left_out + len(self._words) - self._next


def read_transcript_file(path: str | Path) -> Transcript:
    """Read SRT, WebVTT or plain text, told by the file's ending.

    Raises:
        ConfigError: the file is missing, too large, no UTF-8, of another kind, or holds no words.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError("this is no transcript", file=path, remedy=f"give a file that ends in {', '.join(ENDINGS)}")
    data = read_bytes(path, max_bytes=MAX_BYTES, error=ConfigError)
    digest = sha256_bytes(data)
    try:
        text = _UNSEEN.sub("", data.decode("utf-8-sig")).replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError("the transcript is not a text in UTF-8", file=path, remedy="save it as UTF-8") from None
    if ending == ".txt":
        whole = " ".join(text.split())
        if not whole:
            raise ConfigError("there are no words in it", file=path)
        return Transcript(name=path.name, digest=digest, whole=whole)
    cues = _cues(text, ending, path)
    if not cues:
        raise ConfigError("there is no subtitle in it", file=path, remedy="give SRT or WebVTT with times and words")
    return Transcript(name=path.name, digest=digest, cues=cues)


def _cues(text: str, ending: str, path: Path) -> list[Cue]:
    try:
        events = pysubs2.SSAFile.from_string(text, format_=ending[1:])
    except Exception as error:  # whatever the reader of subtitles stumbles over
        raise ConfigError(f"the subtitles cannot be read ({error})", file=path) from None
    if len(events) > MAX_CUES:
        raise ConfigError(f"it holds more than {MAX_CUES} subtitles", file=path)
    cues = []
    for event in events:
        words = tuple(_TAG.sub("", event.text.replace("\\N", " ").replace("\\n", " ").replace("\\h", " ")).split())
        if words and 0 <= event.start <= event.end:
            cues.append(Cue(start_s=event.start / 1000, end_s=event.end / 1000, words=words))
    return cues


def _timed(cue: Cue) -> list[tuple[float, str]]:
    return list(zip(cue.times_s(), cue.words, strict=True))
