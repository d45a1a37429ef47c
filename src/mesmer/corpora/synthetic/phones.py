"""From letters to phones: a small table of English spelling, enough that the sound follows the sentence.

This is no dictionary: "though" comes out wrong. What matters here is that each word has its own, stable sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PhoneKind = Literal["vowel", "glide", "nasal", "fricative", "stop", "pause"]


@dataclass(frozen=True, kw_only=True)
class Phone:
    """How one speech sound is made.

    Attributes:
        kind: manner of articulation.
        formants_hz: F1, F2, F3 of a long vocal tract.
        voiced: strength of the glottal source, 0 to 1.
        noise: strength of frication or of the burst.
        noise_hz: centre of that noise.
        length: duration relative to the mean phone.
        open, round: the mouth that says it, 0 to 1 each.
    """

    kind: PhoneKind
    formants_hz: tuple[float, float, float] = (500.0, 1500.0, 2500.0)
    voiced: float = 0.0
    noise: float = 0.0
    noise_hz: float = 3000.0
    length: float = 1.0
    open: float = 0.15
    round: float = 0.0


def _vowel(f1: float, f2: float, f3: float, opening: float, rounding: float = 0.0, length: float = 1.5) -> Phone:
    return Phone(kind="vowel", formants_hz=(f1, f2, f3), voiced=1.0, length=length, open=opening, round=rounding)


def _fricative(hz: float, noise: float, voiced: float = 0.0, opening: float = 0.12, rounding: float = 0.0) -> Phone:
    formants = (350.0, 1600.0, 2600.0)
    return Phone(
        kind="fricative",
        formants_hz=formants,
        voiced=voiced,
        noise=noise,
        noise_hz=hz,
        length=1.05,
        open=opening,
        round=rounding,
    )


def _stop(hz: float, f2: float, voiced: float, opening: float = 0.05) -> Phone:
    formants = (280.0, f2, 2500.0)
    return Phone(kind="stop", formants_hz=formants, voiced=voiced, noise=0.8, noise_hz=hz, length=0.85, open=opening)


def _sonorant(
    kind: PhoneKind, f1: float, f2: float, f3: float, voiced: float, opening: float, rounding: float = 0.0
) -> Phone:
    return Phone(kind=kind, formants_hz=(f1, f2, f3), voiced=voiced, length=0.85, open=opening, round=rounding)


PHONES: Mapping[str, Phone] = {
    "i": _vowel(290, 2250, 2950, 0.25), "I": _vowel(400, 1950, 2550, 0.35, length=1.1),
    "e": _vowel(540, 1800, 2500, 0.55, length=1.2),
    "E": _vowel(450, 2050, 2650, 0.45), "a": _vowel(690, 1650, 2450, 0.85, length=1.3),
    "A": _vowel(720, 1150, 2500, 1.0),
    "O": _vowel(560, 880, 2450, 0.75, 0.6), "o": _vowel(450, 900, 2350, 0.5, 0.9),
    "u": _vowel(310, 950, 2250, 0.25, 1.0),
    "U": _vowel(620, 1200, 2450, 0.6, length=1.1), "@": _vowel(500, 1450, 2450, 0.35, length=0.8),
    "3": _vowel(480, 1350, 1750, 0.4, 0.3),
    "m": _sonorant("nasal", 260, 1000, 2200, 0.55, 0.0), "n": _sonorant("nasal", 260, 1450, 2450, 0.55, 0.15),
    "N": _sonorant("nasal", 260, 1900, 2600, 0.5, 0.2), "l": _sonorant("glide", 360, 1150, 2700, 0.75, 0.25),
    "r": _sonorant("glide", 340, 1150, 1600, 0.75, 0.2, 0.5), "w": _sonorant("glide", 300, 680, 2200, 0.7, 0.1, 1.0),
    "y": _sonorant("glide", 280, 2200, 2950, 0.7, 0.2),
    "f": _fricative(5200, 0.35), "v": _fricative(4800, 0.2, 0.5), "T": _fricative(5600, 0.3),
    "s": _fricative(5900, 1.0),
    "z": _fricative(5700, 0.6, 0.5), "S": _fricative(3300, 1.0, rounding=0.5), "h": _fricative(1600, 0.3, 0.1, 0.4),
    "p": _stop(900, 900, 0.0, 0.0), "b": _stop(800, 900, 0.35, 0.0), "t": _stop(4300, 1700, 0.0),
    "d": _stop(3800, 1700, 0.35),
    "k": _stop(2000, 1900, 0.0), "g": _stop(1800, 1900, 0.35),
    " ": Phone(kind="pause", length=0.35, open=0.05), ",": Phone(kind="pause", length=2.2, open=0.0),
}  # fmt: skip
"""Every phone by its one-letter name."""

_SPELLING: Mapping[str, str] = {
    "tion": "S@n", "ough": "O", "igh": "Ai", "tch": "tS", "dge": "dS", "eau": "o", "ould": "Ud", "ing": "IN",
    "sh": "S", "ch": "tS", "th": "T", "ph": "f", "wh": "w", "ck": "k", "ng": "N", "qu": "kw", "kn": "n", "wr": "r",
    "gh": "g",
    "ee": "i", "ea": "i", "oo": "u", "ou": "Ao", "ow": "Ao", "ai": "EI", "ay": "EI", "oi": "Oi", "oy": "Oi",
    "au": "O", "aw": "O",
    "oa": "o", "ie": "i", "ei": "EI", "ey": "i",
    "ue": "u",  # codespell:ignore ue
    "ui": "u", "er": "3", "ir": "3", "ur": "3", "ar": "Ar",
    "or": "Or",
    "a": "a", "e": "e", "i": "I", "o": "O", "u": "U", "y": "i", "b": "b", "c": "k", "d": "d", "f": "f", "g": "g",
    "h": "h",
    "j": "dS", "k": "k", "l": "l", "m": "m", "n": "n", "p": "p", "q": "k", "r": "r", "s": "s", "t": "t", "v": "v",
    "w": "w",
    "x": "ks", "z": "z",
}  # fmt: skip
_LONGEST = max(map(len, _SPELLING))
_VOWELS = "aeiou"


def word_phones(word: str) -> str:
    """The phones of one word, one letter each; characters that are no letters are silent.

    >>> word_phones("sheep")
    'Sip'
    """
    letters = "".join(mark for mark in word.lower() if mark.isascii() and mark.isalpha())
    if (
        len(letters) > 2
        and letters.endswith("e")
        and letters[-2] not in _VOWELS
        and any(v in letters[:-1] for v in _VOWELS)
    ):
        letters = letters[:-1]  # the silent e
    phones, at = "", 0
    while at < len(letters):
        if at and letters[at] == letters[at - 1] and letters[at] not in _VOWELS:
            at += 1  # doubled consonant
            continue
        if at == 0 and letters[0] == "y":
            phones, at = "y", 1
            continue
        for size in range(min(_LONGEST, len(letters) - at), 0, -1):
            sound = _SPELLING.get(letters[at : at + size])
            if sound is not None:
                phones += sound
                at += size
                break
    return phones or "@"
