"""Speakers of the synthetic corpus: each has a face geometry, skin, hair and a voice of their own.

Lengths of a face are in units of the drawing: about one pixel of the finished frame. Nothing here depends on emotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mesmer.corpora.synthetic.seeds import named_rng

Colour = tuple[int, int, int]
HairStyle = Literal["bald", "short", "side", "bob", "long", "curly", "bun"]
FacialHair = Literal["none", "stubble", "moustache", "beard"]

_SKINS: tuple[Colour, ...] = (
    (242, 210, 188), (234, 194, 164), (229, 184, 148), (214, 164, 124), (196, 143, 103), (172, 121, 84), (146, 99, 68),
    (122, 82, 58),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (34, 26, 22), (58, 40, 28), (92, 62, 38), (128, 88, 50), (182, 142, 84), (214, 184, 128), (132, 58, 34),
    (150, 148, 146),
)  # fmt: skip
_IRISES: tuple[Colour, ...] = ((72, 46, 28), (98, 66, 34), (92, 108, 62), (70, 104, 134), (96, 122, 142), (54, 40, 32))


@dataclass(frozen=True, kw_only=True)
class Face:
    """Geometry and colours of one face. Origin between the eyes; x to the right, y down, in drawing units.

    Attributes:
        half_width, jaw_width: half widths at the cheek bones and at the corner of the jaw.
        top, chin: y of the hairline and of the chin.
        eye_x, eye_width, eye_height, eye_tilt: distance of an eye from the middle, half width, half height, rise of the
            outer corner.
        brow_y, brow_thickness, brow_arch: of the relaxed brows.
        nose_y, nose_width: y of the nose tip, half width at the wings.
        mouth_y, mouth_width, upper_lip, lower_lip: y of the closed mouth, half width, thickness of the lips.
        age: 0 smooth, 1 lined.
    """

    half_width: float
    jaw_width: float
    top: float
    chin: float
    eye_x: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    brow_y: float
    brow_thickness: float
    brow_arch: float
    nose_y: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    age: float
    skin: Colour
    lips: Colour
    hair: Colour
    brow: Colour
    iris: Colour
    hair_style: HairStyle
    facial_hair: FacialHair
    glasses: bool


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice at rest.

    Attributes:
        pitch_hz: median fundamental frequency.
        pitch_range_semitones: standard deviation of the intonation.
        formant_scale: 1 is a long (male) vocal tract; shorter tracts have higher formants.
        phones_per_s: tempo, in phones of mean length; vowels are longer, consonants shorter.
        tilt_db_per_octave: slope of the glottal source.
        breathiness: share of noise in the source.
    """

    pitch_hz: float
    pitch_range_semitones: float
    formant_scale: float
    phones_per_s: float
    tilt_db_per_octave: float
    breathiness: float


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """One person of the corpus. ``expressiveness`` scales how far the face moves."""

    name: str
    face: Face
    voice: Voice
    expressiveness: float


def make_speaker(seed: int, name: str) -> Speaker:
    """Draw the speaker called ``name`` of the corpus of ``seed``."""
    rng = named_rng(seed, "speaker", name)
    high_voice = bool(rng.random() < 0.5)
    face = _draw_face(rng, high_voice)
    voice = Voice(
        pitch_hz=float(rng.uniform(175, 235) if high_voice else rng.uniform(95, 145)),
        pitch_range_semitones=float(rng.uniform(1.5, 2.3)),
        formant_scale=float(rng.uniform(1.12, 1.24) if high_voice else rng.uniform(0.96, 1.08)),
        phones_per_s=float(rng.uniform(19.0, 22.0)),
        tilt_db_per_octave=float(rng.uniform(-7.0, -5.0)),
        breathiness=float(rng.uniform(0.01, 0.04)),
    )
    return Speaker(name=name, face=face, voice=voice, expressiveness=float(rng.uniform(0.9, 1.1)))


def _draw_face(rng: np.random.Generator, high_voice: bool) -> Face:
    def near(mean: float, share: float) -> float:
        return float(mean * (1 + share * np.clip(rng.standard_normal(), -1.8, 1.8)))

    skin = _jitter(rng, _SKINS[rng.integers(len(_SKINS))], 8)
    dark = sum(skin) < 430
    hair = _jitter(rng, _HAIRS[rng.integers(3 if dark else len(_HAIRS))], 8)
    half_width = near(39.0, 0.035)
    styles: tuple[HairStyle, ...] = (
        ("bob", "long", "bun", "curly", "side") if high_voice else ("bald", "short", "side", "curly")
    )
    hair_style = styles[rng.integers(len(styles))]
    shaves: tuple[FacialHair, ...] = ("none", "none", "none", "stubble", "moustache", "beard")
    lip_red = float(rng.uniform(0.0, 0.25 if high_voice else 0.1))
    return Face(
        half_width=half_width,
        jaw_width=half_width * float(rng.uniform(0.76, 0.90)),
        top=near(-50.0, 0.04),
        chin=near(62.0, 0.035),
        eye_x=near(17.0, 0.04),
        eye_width=near(9.4, 0.05),
        eye_height=near(4.7, 0.08),
        eye_tilt=float(rng.uniform(-0.8, 1.6)),
        brow_y=near(-14.5, 0.05),
        brow_thickness=near(2.7 if high_voice else 3.7, 0.15),
        brow_arch=float(rng.uniform(1.4, 3.2)),
        nose_y=near(21.0, 0.05),
        nose_width=near(8.8 if dark else 7.8, 0.08),
        mouth_y=near(37.5, 0.025),
        mouth_width=near(15.0, 0.06),
        upper_lip=near(3.3, 0.15),
        lower_lip=near(4.4, 0.12),
        age=float(rng.random() ** 1.6),
        skin=skin,
        lips=_blend(_blend(skin, (150, 50, 52), 0.45), (190, 30, 60), lip_red),
        hair=hair,
        brow=_blend(hair, (24, 18, 14), 0.45 if sum(hair) < 430 else 0.35),
        iris=_IRISES[rng.integers(2 if dark else len(_IRISES))],
        hair_style=hair_style,
        facial_hair="none" if high_voice else shaves[rng.integers(len(shaves))],
        glasses=bool(rng.random() < 0.12),
    )


def _jitter(rng: np.random.Generator, colour: Colour, width: int) -> Colour:
    lighter = int(rng.integers(-width, width + 1))
    red, green, blue = (int(np.clip(channel + lighter + rng.integers(-2, 3), 0, 255)) for channel in colour)
    return red, green, blue


def _blend(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return red, green, blue
