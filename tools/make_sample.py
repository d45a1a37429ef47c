"""Make the clip that comes with the package: one drawn person says three sentences, with pauses; its words as subtitles.

    python tools/make_sample.py src/mesmer/samples

Nobody real is in it: the face is drawn, the voice synthesised. It shows that all works and says nothing of people.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesmer.corpora.synthetic.plan import UtterancePlan
from mesmer.corpora.synthetic.rendering import Performance, perform
from mesmer.media.writer import write_video
from mesmer.media_settings import SAMPLE_RATE_HZ
from mesmer.records import MODALITIES
from mesmer.storage.atomic import write_text

SEED = 11
EMOTIONS = ("happiness", "anger", "sadness")
FPS = 25
SIZE_PX = (320, 240)
PAUSE_FRAMES = 25


def performance_of(emotion: str) -> Performance:
    """One sentence of the same person, every modality of which carries the emotion."""
    return perform(
        UtterancePlan(
            id=f"sample-{emotion}",
            speaker="sample",
            split="test",
            labels={emotion: 0.95},
            carriers={emotion: MODALITIES},
            fps=FPS,
            size_px=SIZE_PX,
        ),
        seed=SEED,
    )


def pictures(performances: list[Performance]) -> Iterator[NDArray[np.uint8]]:
    """The frames, the last of each sentence held for the pause."""
    for performance in performances:
        frame = None
        for frame in performance.pictures():
            yield frame
        if frame is not None:
            yield from (frame for _ in range(PAUSE_FRAMES))


def stamp(time_s: float) -> str:
    """A time as SRT writes it."""
    whole_ms = round(1000 * time_s)
    minutes, rest_ms = divmod(whole_ms, 60_000)
    return f"00:{minutes:02d}:{rest_ms // 1000:02d},{rest_ms % 1000:03d}"


def main(folder: Path) -> None:
    """Write ``drawn_talk.mp4`` and ``drawn_talk.srt``."""
    performances = [performance_of(emotion) for emotion in EMOTIONS]
    sound, subtitles, frames = [], [], 0
    for number, performance in enumerate(performances, start=1):
        begin, length = frames / FPS, performance.frames + PAUSE_FRAMES
        waveform = np.zeros(length * SAMPLE_RATE_HZ // FPS, dtype=np.float32)
        spoken = performance.speech.waveform[: len(waveform)]
        waveform[: len(spoken)] = spoken
        sound.append(waveform)
        end = begin + performance.speech.duration_s
        subtitles.append(f"{number}\n{stamp(begin)} --> {stamp(end)}\n{performance.sentence.text}\n")
        frames += length
    write_video(folder / "drawn_talk.mp4", pictures(performances), FPS, np.concatenate(sound), SAMPLE_RATE_HZ, crf=26)
    write_text(folder / "drawn_talk.srt", "\n".join(subtitles))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
