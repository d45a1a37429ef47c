"""RAVDESS as delivered: 24 actors say two sentences in eight emotions; everything is told by the name of the file.

``01-01-07-02-02-01-01.mp4`` is modality - vocal channel - emotion - intensity - statement - repetition - actor. The files
may lie in ``Actor_NN`` folders, in folders around those, or all in one folder.

One performance may be there three times: with picture and sound (01), picture alone (02), sound alone (03). The first is
taken where it is there; else picture and sound are taken together from the other two; else the one that is there. Rows
are files: each is an utterance's, or left out with the rule that did it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.raw_files import NO_PICTURE_FILE, find_root, media_problem, visible_files
from mesmer.records import Utterance

RAVDESS_EMOTIONS: tuple[str, ...] = ("anger", "calm", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""The label set of RAVDESS."""

NOT_A_NAME = "the name is not seven two-digit fields joined by '-'"
SONG = "sung, not spoken"
OTHER_RECORDING = "another recording of the same performance is used"
SAME_NAME = "a file of the same name was read before"
OTHER_ACTOR = "the file lies in another actor's folder"

_SUFFIXES = (".mp4", ".wav")
_EMOTION_CODES = {
    "01": "neutral", "02": "calm", "03": "happiness", "04": "sadness",
    "05": "anger", "06": "fear", "07": "disgust", "08": "surprise",
}  # fmt: skip
_STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "modality": ("01", "02", "03"),
    "vocal channel": ("01", "02"),
    "emotion": tuple(_EMOTION_CODES),
    "intensity": ("01", "02"),
    "statement": tuple(_STATEMENTS),
    "repetition": ("01", "02"),
    "actor": tuple(f"{actor:02d}" for actor in range(1, 25)),
}


def read_ravdess(root: str | Path, *, song: bool = False) -> Corpus:
    """Read the raw corpus; nothing is decoded.

    Args:
        root: the folder of the actors' folders, or of the files.
        song: keep sung performances too.

    Raises:
        DataError: there is no media file below the folder.
    """
    return read_recordings(root, song=song, suffixes=_SUFFIXES)


def read_recordings(root: str | Path, *, song: bool, suffixes: Sequence[str]) -> Corpus:
    """Read the recordings in files of some kinds. Arguments and errors: :func:`read_ravdess`.

    Args:
        suffixes: of the files, such as ``.mp4``; others are passed over.
    """

    def media(folder: Path) -> list[Path]:
        return visible_files(folder, suffixes=suffixes, depth=3)

    expected = f"files such as {'01' if '.mp4' in suffixes else '03'}-01-03-01-01-01-01{suffixes[0]}"
    base = find_root(root, is_root=lambda folder: bool(media(folder)), expected=expected)
    left_out: list[LeftOut] = []
    performances: dict[str, dict[str, Path]] = {}
    for path in media(base):
        modality, _, performance = path.stem.partition("-")
        rule = _rule(path, song=song)
        if not rule and modality in performances.get(performance, {}):
            rule = SAME_NAME
        if rule:
            left_out.append(LeftOut(id=path.stem, file=str(path), rule=rule))
        else:
            performances.setdefault(performance, {})[modality] = path
    utterances = [_choose(recordings, left_out) for recordings in performances.values()]
    return Corpus(
        name="ravdess", emotions=RAVDESS_EMOTIONS, utterances=tuple(utterances), root=base, left_out=tuple(left_out)
    )


def unknown_field(stem: str) -> str | None:
    """Return the rule that a file's name breaks, or None: not seven fields, or a field of an unknown value."""
    values = stem.split("-")
    if len(values) != len(_FIELDS) or not all(len(value) == 2 and value.isascii() and value.isdigit() for value in values):
        return NOT_A_NAME
    for (field, known), value in zip(_FIELDS.items(), values, strict=True):
        if value not in known:
            return f"the {field} '{value}' in the name is unknown"
    return None


def _rule(path: Path, *, song: bool) -> str | None:
    rule = unknown_field(path.stem)
    if rule:
        return rule
    values = path.stem.split("-")
    folder = path.parent.name.lower()
    if folder.startswith("actor_") and folder != f"actor_{values[6]}":
        return OTHER_ACTOR
    if values[1] == "02" and not song:
        return SONG
    return media_problem(path, missing=NO_PICTURE_FILE)


def _choose(recordings: Mapping[str, Path], left_out: list[LeftOut]) -> Utterance:
    """The utterance of one performance; the recordings it does not need are left out."""
    order = [recordings[modality] for modality in sorted(recordings)]
    media = order.pop(0)
    sound = order.pop(0) if media.stem.startswith("02") and order else None
    left_out += [LeftOut(id=path.stem, file=str(path), rule=OTHER_RECORDING) for path in order]
    _, _, emotion, _, statement, _, actor = media.stem.split("-")
    return Utterance(
        id=media.stem,
        corpus="ravdess",
        media=str(media),
        sound=None if sound is None else str(sound),
        speaker=f"actor_{actor}",
        text=_STATEMENTS[statement],
        labels={_EMOTION_CODES[emotion]: 1.0},
    )
