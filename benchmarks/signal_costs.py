"""What it costs to find faces, to hear and to read: processor time of one thread, everything in turn.

    python benchmarks/signal_costs.py [--rounds 5]

The faces are drawn. The second number is the ratio to the first row, which says more than milliseconds of one machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch

from measuring import drawn_frames, drawn_voice, print_table, processor_s
from mesmer.config import MelSettings, PrepareSettings
from mesmer.corpora.synthetic.plan import plan_corpus
from mesmer.corpora.synthetic.rendering import perform
from mesmer.signals.faces import crop_faces
from mesmer.signals.mel import mel_chunks
from mesmer.signals.mtcnn import FaceDetector
from mesmer.signals.text import train_tokenizer


def tasks() -> dict[str, Callable[[], object]]:
    small, large = drawn_frames(9, width_px=360, height_px=360), drawn_frames(7, width_px=1280, height_px=720)
    near, far = FaceDetector(min_face_px=60), FaceDetector(min_face_px=40)
    assert all(map(len, far.detect(small)))
    voice = drawn_voice(4.5)
    texts = [perform(plan, seed=0).sentence.text for plan in plan_corpus(size="tiny", seed=0)]
    tokenizer = train_tokenizer(texts, 200)
    long = " ".join((" ".join(texts).split() * 100)[:10_000])
    return {
        "faces of 40 px and more in 9 frames of 360x360": lambda: far.detect(small),
        "faces of 60 px and more in the same": lambda: near.detect(small),
        "one face followed and cut, 7 frames of 1280x720": lambda: crop_faces(large, far, settings=PrepareSettings()),
        "mel chunks of 4.5 s": lambda: mel_chunks(voice, MelSettings()),
        "10,000 words to 100 tokens": lambda: tokenizer.encode([long], 100),
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(words).rounds
    torch.set_num_threads(1)
    taken = processor_s(tasks(), rounds=rounds)
    first = next(iter(taken.values()))
    print_table(
        ["what", "ms of processor time", "of the first row"],
        ([name, f"{1000 * seconds:.1f}", f"{seconds / first:.2f}"] for name, seconds in taken.items()),
    )


if __name__ == "__main__":
    main()
