"""The options that the readers of the corpora offer on the command line, in words of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from mesmer.cli.parser import Parser
from mesmer.corpora.registry import CORPORA, corpus_options

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "folder": {
        "emotions": "the label set, such as anger,fear; else the six basic emotions, or the labels found",
        "name": "of the corpus",
    },
    "iemocap": {
        "targets": "majority: the published label; soft: the share of raters per emotion; multi: all that any rater named",
        "merge_excited": "count excitement as happiness: five emotions",
    },
    "cmu_mosei": {
        "labels": "csd: CMU_MOSEI_Labels.csd; csv: the annotators' tables; auto: the csd file where it is there",
        "scores": "binary: any score above 0 is the label; soft: the mean score as a part of 3",
    },
    "meld": {},
    "ravdess": {"song": "keep sung performances too"},
    "crema_d": {
        "labels": "intended: the emotion the actor was asked for; votes: the share of votes per emotion",
        "rated": "with --labels votes, those who saw and heard (both), only heard (voice) or only saw (face)",
    },
    "fer2013": {},
    "ravdess_speech": {
        "fold": "1 to 5: whose actors are the test; of the next fold a man and a woman are the validation",
        "held_back": "test on actor 01, who is in no other split of any fold",
    },
    "goemotions": {},
}
"""Corpus -> option of its reader -> help. Options that are not words, such as functions, are not here."""

ROOTS: Mapping[str, tuple[str, str]] = {
    "folder": ("MANIFEST", "CSV or JSONL: path, id, start_s, end_s, speaker, dialogue, text, labels, split"),
    "iemocap": ("ROOT", "folder of Session1 to Session5, or an archive of it"),
    "cmu_mosei": ("ROOT", "folder of Videos, Transcript and the labels, or an archive of it"),
    "meld": ("ROOT", "folder of train_sent_emo.csv and so on, or an archive of it"),
    "ravdess": ("ROOT", "folder of the Actor_NN folders, an archive of it, or a folder of the archives"),
    "crema_d": ("ROOT", "folder of VideoFlash and AudioWAV, or an archive of it"),
    "fer2013": ("SOURCE", "fer2013.csv, a folder of train and test with pictures, a Parquet table, or an archive of one"),
    "ravdess_speech": ("SOURCE", "folder of the Actor_NN folders of wav files, an archive of it, or a Parquet table"),
    "goemotions": ("SOURCE", "folder of train.tsv, dev.tsv, test.tsv and emotions.txt or labels.txt"),
}
"""Corpus -> name and help of what is given."""


def add_corpus_options(parser: Parser, corpus: str) -> None:
    """Add the options of a corpus's reader."""
    hints = get_type_hints(CORPORA[corpus])
    for option, default in corpus_options(corpus).items():
        if option not in OPTIONS[corpus]:
            continue
        flag, words = f"--{option.replace('_', '-')}", OPTIONS[corpus][option]
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", help=words)
        elif isinstance(default, int):
            parser.add_argument(flag, type=int, default=default, help=words)
        elif isinstance(default, str) and get_args(hints[option]):
            parser.add_argument(flag, choices=get_args(hints[option]), default=default, help=words)
        else:
            parser.add_argument(flag, type=str, default=default, help=words)


def chosen_options(corpus: str, arguments: Any) -> dict[str, Any]:
    """Return the reader's options as given."""
    options = {option: arguments[option] for option in OPTIONS[corpus]}
    if options.get("emotions") is not None:
        options["emotions"] = tuple(word.strip() for word in options["emotions"].split(",") if word.strip())
    return options
