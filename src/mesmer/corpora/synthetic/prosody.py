"""Emotions in a voice: how pitch level and range, tempo, loudness and timbre change, as one set of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from mesmer.corpora.synthetic.speakers import Voice


@dataclass(frozen=True, kw_only=True)
class Prosody:
    """How one utterance is spoken. As a change it is relative to rest, where every field is 0.

    Attributes:
        pitch_semitones: shift of the pitch level.
        range_log2: doublings of the pitch range.
        tempo_log2: doublings of the number of phones per second.
        loudness_db: level of the speech.
        tilt_db_per_octave: change of the source's slope; above 0 is brighter, pressed.
        breathiness: share of noise in the source.
        tremor: slow shake of pitch and level (about 7 Hz), 1 is strong.
        creak: every second pulse weak, 1 is strong.
        rise_semitones: rise of the pitch over the utterance; below 0 falls.
        glide_semitones: rise of the pitch within each vowel; below 0 falls.
        smile: spread lips, higher formants, 1 is strong.
    """

    pitch_semitones: float = 0.0
    range_log2: float = 0.0
    tempo_log2: float = 0.0
    loudness_db: float = 0.0
    tilt_db_per_octave: float = 0.0
    breathiness: float = 0.0
    tremor: float = 0.0
    creak: float = 0.0
    rise_semitones: float = 0.0
    glide_semitones: float = 0.0
    smile: float = 0.0

    def plus(self, other: Prosody, share: float = 1.0) -> Prosody:
        """Add ``share`` of another change to this one."""
        return Prosody(**{f.name: getattr(self, f.name) + share * getattr(other, f.name) for f in fields(self)})


EMOTION_PROSODY: Mapping[str, Prosody] = {
    "anger": Prosody(
        pitch_semitones=2.5, range_log2=0.4, tempo_log2=0.15, loudness_db=7.0, tilt_db_per_octave=5.5, glide_semitones=-4.0
    ),
    "disgust": Prosody(
        pitch_semitones=-3.5, range_log2=-0.3, tempo_log2=-0.25, loudness_db=-1.0, creak=1.0, rise_semitones=-3.0
    ),
    "fear": Prosody(
        pitch_semitones=6.0, range_log2=-0.5, tempo_log2=0.35, loudness_db=-1.5, breathiness=0.30, tremor=1.0
    ),
    "happiness": Prosody(
        pitch_semitones=5.0, range_log2=1.3, tempo_log2=0.10, loudness_db=3.0, tilt_db_per_octave=2.5, smile=1.0
    ),
    "sadness": Prosody(
        pitch_semitones=-2.0, range_log2=-1.3, tempo_log2=-0.45, loudness_db=-6.0, tilt_db_per_octave=-4.5,
        rise_semitones=-1.5,
    ),
    "surprise": Prosody(
        pitch_semitones=3.0, tempo_log2=-0.1, loudness_db=2.0, rise_semitones=10.0, glide_semitones=9.0
    ),
}  # fmt: skip
"""Emotion -> what it changes in a voice at full intensity."""


def draw_prosody(rng: np.random.Generator, emotions: Mapping[str, float]) -> Prosody:
    """How a voice that carries ``emotions`` (emotion -> intensity) speaks; with none, only everyday variation remains."""
    prosody = Prosody(
        pitch_semitones=float(rng.normal(0, 0.7)),
        range_log2=float(rng.normal(0, 0.15)),
        tempo_log2=float(rng.normal(0, 0.07)),
        loudness_db=float(rng.normal(0, 1.5)),
        tilt_db_per_octave=float(rng.normal(0, 0.5)),
        rise_semitones=float(rng.normal(-1.0, 0.8)),
    )
    for emotion, intensity in sorted(emotions.items()):
        # Two emotions at once share the voice; a faint one is still audible.
        share = (0.5 + 0.5 * intensity) / (1.0 if len(emotions) == 1 else 1.25)
        prosody = prosody.plus(EMOTION_PROSODY[emotion], share * float(rng.uniform(0.9, 1.1)))
    return prosody


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A voice with its prosody: the physical parameters of one utterance."""

    pitch_hz: float
    pitch_range_semitones: float
    rise_semitones: float
    glide_semitones: float
    phones_per_s: float
    level_dbfs: float
    tilt_db_per_octave: float
    breathiness: float
    tremor: float
    creak: float
    formant_scale: float


REST_LEVEL_DBFS = -25.0
"""Root mean square of unemotional speech relative to full scale."""


def deliver(voice: Voice, prosody: Prosody) -> Delivery:
    """The physical parameters of a voice under a prosody."""
    return Delivery(
        pitch_hz=voice.pitch_hz * 2 ** (prosody.pitch_semitones / 12),
        pitch_range_semitones=voice.pitch_range_semitones * 2**prosody.range_log2,
        rise_semitones=prosody.rise_semitones,
        glide_semitones=prosody.glide_semitones,
        phones_per_s=voice.phones_per_s * 2**prosody.tempo_log2,
        level_dbfs=REST_LEVEL_DBFS + prosody.loudness_db,
        tilt_db_per_octave=voice.tilt_db_per_octave + prosody.tilt_db_per_octave,
        breathiness=voice.breathiness + max(0.0, prosody.breathiness),
        tremor=max(0.0, prosody.tremor),
        creak=min(1.0, max(0.0, prosody.creak)),
        formant_scale=voice.formant_scale * (1 + 0.12 * max(0.0, prosody.smile)),
    )
