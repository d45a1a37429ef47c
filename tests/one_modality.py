"""Three small prepared datasets of one modality each: drawn faces, made voices, made sentences; nobody is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.synthetic.sentences import draw_sentence
from mesmer.dataset.prepare import prepare
from mesmer.dataset.sound import from_pcm16, to_pcm16
from mesmer.emotions import SIX_EMOTIONS
from mesmer.records import FACE_PX, SPLITS, Clip, Utterance

SEVEN_EMOTIONS = (*SIX_EMOTIONS[:4], "neutral", *SIX_EMOTIONS[4:])
EIGHT_EMOTIONS = ("calm", *SEVEN_EMOTIONS)
_NO_FACES = np.zeros((0, FACE_PX, FACE_PX, 3), dtype=np.uint8)


def make_sources(root: Path, *, each: int = 6) -> dict[str, Path]:
    """Make ``faces``, ``voices`` and ``words`` below ``root``: ``each`` rows per split and emotion."""
    made = {
        "faces": ("faces", SEVEN_EMOTIONS, _face_clip, None),
        "voices": ("voices", EIGHT_EMOTIONS, _voice_clip, "actor"),
        "words": ("words", SEVEN_EMOTIONS, _words_clip, None),
    }
    for name, (corpus, emotions, make, person) in made.items():
        make_source(root / name, name=corpus, emotions=emotions, make=make, each=each, person=person)
    return {name: root / name for name in made}


def make_source(
    out: Path,
    *,
    name: str,
    emotions: tuple[str, ...],
    make: Callable[[Utterance], Clip],
    each: int,
    person: str | None = None,
    label: Callable[[str, int], tuple[str, ...]] = lambda emotion, n: (emotion,),
) -> None:
    """Prepare a corpus whose clips ``make`` makes; ``label`` says what number n of an emotion carries."""
    utterances = tuple(
        Utterance(
            id=f"{split}-{emotion}-{n}",
            corpus=name,
            media=f"{split}/{emotion}/{n}",
            speaker=None if person is None else f"{person}-{split}-{n % 2}",
            labels=dict.fromkeys(label(emotion, n), 1.0),
            split=split,
        )
        for split in SPLITS
        for emotion in emotions
        for n in range(each)
    )
    corpus = Corpus(name=name, emotions=emotions, utterances=utterances, root=out, ready=make)
    prepare(corpus, out, settings=PrepareSettings(), workers=0)


def _rng(utterance: Utterance) -> np.random.Generator:
    return np.random.default_rng(list(utterance.id.encode()))


def _shown(utterance: Utterance) -> tuple[str, ...]:
    return tuple(name for name in utterance.labels or {} if name in SIX_EMOTIONS)


def _face_clip(utterance: Utterance) -> Clip:
    return clip_of(utterance, faces=draw_still(_rng(utterance), (*_shown(utterance), "neutral")[0])[None])


def draw_still(rng: np.random.Generator, emotion: str) -> NDArray[np.uint8]:
    """Draw a face uint8 (48, 48, 3): the mouth's bend and opening and the brows' slant say the emotion."""
    kinds = {name: n for n, name in enumerate((*SIX_EMOTIONS, "neutral"))}
    bend = (-6, -3, 0, 7, -8, 0, 0)[kinds[emotion]]
    slant = (4, 2, -4, 0, -3, -1, 0)[kinds[emotion]]
    opening = (1, 3, 5, 3, 1, 9, 1)[kinds[emotion]]
    ground, skin = int(rng.integers(20, 90)), int(rng.integers(150, 230))
    picture = Image.new("L", (FACE_PX, FACE_PX), ground)
    pen = ImageDraw.Draw(picture)
    x, y = rng.integers(-1, 2, 2)
    pen.ellipse([6 + x, 2 + y, 42 + x, 46 + y], fill=skin)
    for side in (-1, 1):
        eye = 24 + x + side * 8
        pen.ellipse([eye - 3, 18 + y, eye + 3, 22 + y], fill=20)
        pen.line([eye - 4, 14 + y + side * slant / 2, eye + 4, 14 + y - side * slant / 2], fill=30, width=2)
    mouth = [(24 + x + t, 34 + y - bend * (t / 9) ** 2 + bend / 2) for t in range(-9, 10, 3)]
    pen.line(mouth, fill=60, width=2)
    pen.ellipse([20 + x, 34 + y - opening / 2 + bend / 2, 28 + x, 34 + y + opening / 2 + bend / 2], fill=40)
    grey = np.asarray(picture).astype(np.float64) + rng.normal(0, 4, (FACE_PX, FACE_PX))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _voice_clip(utterance: Utterance) -> Clip:
    rng, kind = _rng(utterance), (*SIX_EMOTIONS, "neutral").index((*_shown(utterance), "neutral")[0])
    seconds = float(rng.uniform(1.0, 2.0))
    time_s = np.arange(int(seconds * 16_000)) / 16_000
    pitch_hz = (240, 110, 320, 260, 95, 380, 150)[kind] * rng.uniform(0.95, 1.05)
    beat_hz = (8, 3, 11, 6, 2, 5, 4)[kind]
    tone = sum(np.sin(2 * np.pi * pitch_hz * n * time_s) / n for n in (1, 2, 3, 5))
    sound = np.concatenate(
        [np.zeros(3000), 0.2 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * beat_hz * time_s)), np.zeros(2000)]
    )
    waveform = from_pcm16(to_pcm16(np.asarray(sound, dtype=np.float32)))
    return clip_of(utterance, waveform=waveform)


def _words_clip(utterance: Utterance) -> Clip:
    sentence = draw_sentence(_rng(utterance), emotions=_shown(utterance), split=str(utterance.split))
    return clip_of(utterance, text=f"{sentence.text} {utterance.id.rpartition('-')[2]}")


def clip_of(
    utterance: Utterance,
    *,
    faces: NDArray[np.uint8] = _NO_FACES,
    waveform: NDArray[np.float32] | None = None,
    text: str = "",
) -> Clip:
    """Return a clip with what is given; the rest is absent."""
    sound = np.zeros(0, dtype=np.float32) if waveform is None else waveform
    here = {"text": bool(text), "audio": len(sound) > 0, "visual": len(faces) > 0}
    steps = len(faces)
    return Clip(
        id=utterance.id,
        faces=faces,
        face_times_s=np.zeros(steps),
        face_boxes_px=np.tile(np.array([0, 0, FACE_PX, FACE_PX], dtype=np.float32), (steps, 1)),
        face_found=np.ones(steps, dtype=np.bool_),
        waveform=sound,
        text=text,
        absent={name: "not in the corpus" for name, there in here.items() if not there},
        duration_s=len(sound) / 16_000,
    )
