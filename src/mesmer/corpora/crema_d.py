"""CREMA-D as delivered: 91 actors say twelve sentences in six emotions; listeners and viewers voted on what they took in.

Layout::

    VideoFlash/1001_DFA_ANG_XX.flv    actor _ sentence _ emotion _ level
    AudioWAV/1001_DFA_ANG_XX.wav      the same performance, sound alone
    VideoDemographics.csv             one line per actor (optional)
    processedResults/tabulatedVotes.csv, or beside the folders (needed for the voted labels)

Where one of the two media folders is not there at all, the other is used alone. Rows are the performances of either
folder; each is an utterance or is left out with the rule that did it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.raw_files import NO_PICTURE_FILE, NO_SOUND_FILE, find_root, media_problem, visible_files
from mesmer.corpora.text_files import Place, read_table, shorten
from mesmer.emotions import emotion_name
from mesmer.errors import ConfigError, DataError
from mesmer.records import Utterance

CREMA_D_EMOTIONS: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
"""The label set of CREMA-D."""

Labels = Literal["intended", "votes"]
Rated = Literal["both", "voice", "face"]

NOT_A_NAME = "the name is not actor_sentence_emotion_level"
UNKNOWN_ACTOR = "VideoDemographics.csv does not know the actor"
NO_VOTES = "no votes in tabulatedVotes.csv"

_SENTENCES = {
    "IEO": "It's eleven o'clock.", "TIE": "That is exactly what happened.", "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.", "TAI": "The airplane is almost full.", "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.", "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.", "ITS": "I think I've seen this before.", "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}  # fmt: skip
_EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
_LEVELS = ("LO", "MD", "HI", "XX")
# The first digit of a row's number says what was rated.
_RATED_DIGIT: Mapping[str, str] = {"voice": "1", "face": "2", "both": "3"}
_VOTE_COLUMNS = {letter: emotion_name(code) for letter, code in zip("ADFHNS", _EMOTIONS, strict=True)}


def read_crema_d(root: str | Path, *, labels: Labels = "intended", rated: Rated = "both") -> Corpus:
    """Read the raw corpus; nothing is decoded.

    Args:
        root: the folder that holds ``AudioWAV`` or ``VideoFlash``, or the folder around it.
        labels: ``intended`` gives the emotion the actor was asked for; ``votes`` gives each emotion the share of votes it
            got.
        rated: the votes of those who saw and heard (``both``), only heard (``voice``) or only saw (``face``).

    Raises:
        DataError: the layout is not there, or a line of a table is damaged (with file, line and field).
        ConfigError: an option is unknown.
    """
    if labels not in ("intended", "votes"):
        raise ConfigError(f"labels is '{labels}'", field="labels", remedy="use intended or votes")
    if rated not in _RATED_DIGIT:
        raise ConfigError(f"rated is '{rated}'", field="rated", remedy="use both, voice or face")
    expected = "a folder AudioWAV or VideoFlash"
    base = find_root(root, is_root=lambda f: (f / "AudioWAV").is_dir() or (f / "VideoFlash").is_dir(), expected=expected)
    actors_table, votes_table = base / "VideoDemographics.csv", _votes_table(base)
    actors = read_actors(actors_table) if actors_table.is_file() else None
    votes = read_votes(votes_table, rated=rated) if labels == "votes" else None
    pictures, sounds = _media(base / "VideoFlash", ".flv", ".mp4"), _media(base / "AudioWAV", ".wav")
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    for stem in sorted({*(pictures or ()), *(sounds or ())}):
        picture = None if pictures is None else pictures.get(stem, base / "VideoFlash" / f"{stem}.flv")
        sound = None if sounds is None else sounds.get(stem, base / "AudioWAV" / f"{stem}.wav")
        rule, file = _media_rule(picture, sound)
        name_rule = unknown_field(stem)
        if name_rule:
            rule, file = name_rule, next(path for path in (picture, sound) if path is not None and path.exists())
        elif not rule and actors is not None and stem[:4] not in actors:
            rule, file = UNKNOWN_ACTOR, actors_table
        elif not rule and votes is not None and not votes.get(_whole_name(stem)):
            rule, file = NO_VOTES, votes_table
        if rule:
            left_out.append(LeftOut(id=stem, file=str(file), rule=rule))
        else:
            scores = {emotion_name(stem.split("_")[2]): 1.0} if votes is None else votes[_whole_name(stem)]
            utterances.append(_utterance(stem, picture, sound, scores))
    if not utterances and not left_out:
        raise DataError("there is no media file", file=base, field="AudioWAV, VideoFlash", remedy="unpack the media")
    return Corpus(
        name="crema_d", emotions=CREMA_D_EMOTIONS, utterances=tuple(utterances), root=base, left_out=tuple(left_out)
    )


def read_votes(path: Path, *, rated: Rated = "both") -> dict[str, dict[str, float]]:
    """Read ``tabulatedVotes.csv``: name of the performance -> emotion -> share of the votes, above 0 only.

    Raises:
        DataError: the table is missing or damaged, a performance stands twice, or the votes of a row do not add up.
    """
    columns = ("", *_VOTE_COLUMNS, "fileName", "numResponses")
    shares: dict[str, dict[str, float]] = {}
    for row in read_table(path, columns=columns):
        place, cells = row.place, row.cells
        counts = {e: place.whole(letter, cells[letter]) for letter, e in _VOTE_COLUMNS.items()}
        total = place.whole("numResponses", cells["numResponses"])
        if sum(counts.values()) != total:
            place.fail("numResponses", f"{sum(counts.values())} votes where {total} are named")
        number, name = cells[""], _performance(place, cells["fileName"])
        if number[:1] not in _RATED_DIGIT.values():
            place.fail("number", f"'{shorten(number)}' does not begin with 1, 2 or 3", "1 voice, 2 face, 3 both")
        if number[0] != _RATED_DIGIT[rated]:
            continue
        if name in shares:
            place.fail("fileName", f"'{name}' stands in this table before")
        shares[name] = {emotion: count / total for emotion, count in counts.items() if count}
    return shares


def read_actors(path: Path) -> frozenset[str]:
    """Read the numbers of the actors from ``VideoDemographics.csv``.

    Raises:
        DataError: the table is damaged or an actor stands twice.
    """
    actors: set[str] = set()
    for row in read_table(path, columns=("ActorID", "Age", "Sex", "Race", "Ethnicity")):
        actor = str(row.place.whole("ActorID", row.cells["ActorID"]))
        if actor in actors:
            row.place.fail("ActorID", f"the actor {actor} stands twice")
        actors.add(actor)
    return frozenset(actors)


def unknown_field(stem: str) -> str | None:
    """Return the rule that a file's name breaks, or None: not four fields, or a field of an unknown value."""
    actor, *rest = _whole_name(stem).split("_")
    if len(rest) != 3 or len(actor) != 4 or not (actor.isascii() and actor.isdigit()):
        return NOT_A_NAME
    known = {"sentence": tuple(_SENTENCES), "emotion": _EMOTIONS, "level": _LEVELS}
    for (field, values), value in zip(known.items(), rest, strict=True):
        if value not in values:
            return f"the {field} '{shorten(value, 20)}' in the name is unknown"
    return None


def _whole_name(stem: str) -> str:
    # One published sound file ends in _X where the tables say _XX.
    return stem + "X" if stem.endswith("_X") else stem


def _performance(place: Place, name: str) -> str:
    name = place.name("fileName", name)
    rule = unknown_field(name)
    if rule:
        place.fail("fileName", rule, "expected a name such as 1001_DFA_ANG_XX")
    return name


def _votes_table(base: Path) -> Path:
    beside = base / "tabulatedVotes.csv"
    return beside if beside.is_file() else base / "processedResults" / "tabulatedVotes.csv"


def _media(folder: Path, *suffixes: str) -> dict[str, Path] | None:
    """Stem -> file; None where the folder is not there."""
    return {path.stem: path for path in visible_files(folder, suffixes=suffixes)} if folder.is_dir() else None


def _media_rule(picture: Path | None, sound: Path | None) -> tuple[str | None, Path | None]:
    for path, missing in ((picture, NO_PICTURE_FILE), (sound, NO_SOUND_FILE)):
        problem = None if path is None else media_problem(path, missing=missing)
        if problem:
            return problem, path
    return None, None


def _utterance(stem: str, picture: Path | None, sound: Path | None, labels: Mapping[str, float]) -> Utterance:
    actor, sentence, *_ = stem.split("_")
    return Utterance(
        id=stem,
        corpus="crema_d",
        media=str(picture or sound),
        sound=str(sound) if picture and sound else None,
        speaker=actor,
        text=_SENTENCES[sentence],
        labels=labels,
    )
