"""What stands in the synthetic corpus for others to find: faces for a detector, emotions in the words alone.

    mesmer prepare synthetic small --size small --seed 0
    python benchmarks/synthetic_facts.py small/raw [--every 5]

Faces: of every fifth clip, two frames a second, in how many MTCNN finds one. Words: logistic regression on counts of words
and pairs of words, learnt on the train split; average F1 on the test split, beside that of answering every emotion always.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from mesmer.config import PrepareSettings
from mesmer.corpora.base import Corpus
from mesmer.corpora.folder import read_folder
from mesmer.emotions import SIX_EMOTIONS, label_vector
from mesmer.media.reader import MediaReader
from mesmer.signals.mtcnn import FaceDetector


def faces(corpus: Corpus, *, every: int) -> None:
    detector, found, looked_at = FaceDetector(min_face_px=PrepareSettings().min_face_px), 0, 0
    with MediaReader() as reader:
        for utterance in corpus.utterances[::every]:
            frames = reader.read(utterance.media, want_audio=False, frame_interval_s=0.5).frames
            looked_at += len(frames)
            found += sum(map(bool, map(len, detector.detect(list(frames)))))
    print(f"faces: found in {found} of {looked_at} frames")


def words(corpus: Corpus) -> None:
    texts, labels = {}, {}
    for split in ("train", "test"):
        chosen = [utterance for utterance in corpus.utterances if utterance.split == split]
        texts[split] = [utterance.text for utterance in chosen]
        labels[split] = np.array([label_vector(one.labels or {}, SIX_EMOTIONS) for one in chosen]) > 0
    regression = OneVsRestClassifier(LogisticRegression(max_iter=1000, class_weight="balanced"))
    model = make_pipeline(CountVectorizer(ngram_range=(1, 2)), regression).fit(texts["train"], labels["train"])
    answers = {"words alone": model.predict(texts["test"]), "answer all": np.ones_like(labels["test"])}
    for name, answer in answers.items():
        score = f1_score(labels["test"], answer, average="macro", zero_division=0)
        print(f"average F1 on {len(labels['test'])} test utterances, {name}: {score:.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, help="folder of the synthetic corpus, with its manifest.jsonl")
    parser.add_argument("--every", type=int, default=5, help="look at every so many clips")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    corpus = read_folder(chosen.raw / "manifest.jsonl", emotions=SIX_EMOTIONS, name="synthetic")
    words(corpus)
    faces(corpus, every=chosen.every)


if __name__ == "__main__":
    main()
