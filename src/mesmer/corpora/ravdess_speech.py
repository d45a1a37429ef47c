"""The voices of RAVDESS: spoken sentences of 24 actors in eight emotions, sound alone, in five folds over the actors.

Read are the published ``Actor_NN`` folders of ``03-01-...wav``, or the same files as FLAC. The words say nothing of the
emotion, for every actor says the same two sentences in each: they are left out, and voices are learnt from voices alone.

An actor is in one split only. The actors of either sex are dealt to five folds in turn; fold N is the test, one man and one
woman of the next fold are the validation, the others train. Actor 01 is held back from training and validation in every
fold.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.ravdess import read_recordings
from mesmer.errors import ConfigError

FOLDS = 5
HELD_BACK = 1
"""The actor who is never trained on nor tuned on."""
HELD_BACK_RULE = "actor 01 is held back"

_ACTORS = range(1, 25)
_SUFFIXES = (".wav", ".flac")


def read_ravdess_speech(root: str | Path, *, fold: int = 1, held_back: bool = False) -> Corpus:
    """Read the voices; nothing is decoded.

    Args:
        root: the folder of the actors' folders, or of the files.
        fold: 1 to 5: whose actors are the test.
        held_back: put actor 01 into the test split, in place of the fold's actors, who then train: a test on a voice
            that nothing was ever tuned on.

    Raises:
        DataError: there is no sound file below the folder.
        ConfigError: there is no such fold.
    """
    if not 1 <= fold <= FOLDS:
        raise ConfigError(f"there is no fold {fold}", field="--fold", remedy=f"use 1 to {FOLDS}")
    corpus = read_recordings(root, song=False, suffixes=_SUFFIXES)
    homes = actor_splits(fold, held_back=held_back)
    utterances, left_out = [], list(corpus.left_out)
    for utterance in corpus.utterances:
        split = homes[int(utterance.id[-2:])]
        if split is None:
            left_out.append(LeftOut(id=utterance.id, file=utterance.media, rule=HELD_BACK_RULE))
            continue
        utterances.append(replace(utterance, corpus="ravdess_speech", text=None, split=split))
    return replace(corpus, name="ravdess_speech", utterances=tuple(utterances), left_out=tuple(left_out))


def actor_splits(fold: int, *, held_back: bool = False) -> dict[int, str | None]:
    """Return actor -> split; None for the actor who is held back.

    Odd numbers are men and even ones women, as published.
    """
    homes: dict[int, str | None] = dict.fromkeys(_ACTORS, "train")
    validating = fold % FOLDS + 1
    for offset, first in enumerate((1, 2)):  # the women are dealt from the second fold on, so that all are about as large
        dealt = [actor for actor in _ACTORS if actor % 2 == first % 2 and actor != HELD_BACK]
        folds = {actor: (place + offset) % FOLDS + 1 for place, actor in enumerate(dealt)}
        if not held_back:
            homes |= {actor: "test" for actor in dealt if folds[actor] == fold}
        homes[next(actor for actor in dealt if folds[actor] == validating)] = "valid"
    homes[HELD_BACK] = "test" if held_back else None
    return homes
