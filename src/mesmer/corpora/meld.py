"""MELD as delivered: utterances of a television series, each cut to its own clip, in the published split.

Layout (the clips' folders may also lie in ``train``, ``dev`` and ``test``, as the inner archives unpack them)::

    train_sent_emo.csv   train_splits/diaX_uttY.mp4
    dev_sent_emo.csv     dev_splits_complete/diaX_uttY.mp4
    test_sent_emo.csv    output_repeated_splits_test/diaX_uttY.mp4

Dialogue numbers begin anew in each split, so ids carry it: ``train_dia0_utt3``. Rows are the lines of the tables and the
clips that no line names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.raw_files import NO_PICTURE_FILE, find_root, media_problem, visible_files
from mesmer.corpora.text_files import TableRow, read_table, shorten
from mesmer.emotions import emotion_name
from mesmer.errors import DataError, suggest
from mesmer.records import Utterance

MELD_EMOTIONS: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""The label set of MELD; its ``joy`` is called happiness here."""

NO_ROW = "no line of the table names this clip"
EMPTY_TEXT = "the transcript is empty"

_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_WORDS = ("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One of the three published parts: our split, its word in the corpus, and the folder of its clips."""

    split: str
    word: str
    folder: str

    @property
    def table(self) -> str:
        return f"{self.word}_sent_emo.csv"


_PARTS = (
    _Part(split="train", word="train", folder="train_splits"),
    _Part(split="valid", word="dev", folder="dev_splits_complete"),
    _Part(split="test", word="test", folder="output_repeated_splits_test"),
)


def read_meld(root: str | Path) -> Corpus:
    """Read the raw corpus in its published split; nothing is decoded.

    Parts of which neither the table nor the clips are there are passed over.

    Args:
        root: the folder that holds the tables, or the folder around it.

    Raises:
        DataError: the layout is not there, a part has only its table or only its clips, or a line is damaged (with file,
            line and field).
    """
    expected = "tables such as train_sent_emo.csv"
    base = find_root(root, is_root=lambda folder: any(_find(folder, p.word, p.table) for p in _PARTS), expected=expected)
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    for part in _PARTS:
        table, clips = _find(base, part.word, part.table), _find(base, part.word, part.folder)
        if table and clips:
            _read_part(part, table, clips, utterances, left_out)
        elif table or clips:
            missing = part.folder if table else part.table
            remedy = f"unpack {part.word}.tar.gz beside the tables" if table else "put the table beside the clips"
            raise DataError(f"'{missing}' is missing", file=base, field=part.word, remedy=remedy)
    return Corpus(name="meld", emotions=MELD_EMOTIONS, utterances=tuple(utterances), root=base, left_out=tuple(left_out))


def _find(base: Path, word: str, name: str) -> Path | None:
    return next((path for path in (base / name, base / word / name) if path.exists()), None)


def _read_part(part: _Part, table: Path, clips: Path, utterances: list[Utterance], left_out: list[LeftOut]) -> None:
    first_line: dict[str, int] = {}
    for row in read_table(table, columns=_COLUMNS, fallback="cp1252"):
        utterance = _utterance(row, part, clips)
        stem = Path(utterance.media).stem
        if stem in first_line:
            row.place.fail("Utterance_ID", f"{stem} stands in line {first_line[stem]} already")
        first_line[stem] = row.place.line
        problem = media_problem(Path(utterance.media), missing=NO_PICTURE_FILE)
        if problem:
            left_out.append(LeftOut(id=utterance.id, file=utterance.media, rule=problem))
        elif not utterance.text:
            left_out.append(LeftOut(id=utterance.id, file=str(table), rule=EMPTY_TEXT))
        else:
            utterances.append(utterance)
    for clip in visible_files(clips, suffixes=[".mp4"]):
        if clip.stem not in first_line:
            left_out.append(LeftOut(id=f"{part.word}_{clip.stem}", file=str(clip), rule=NO_ROW))


def _utterance(row: TableRow, part: _Part, clips: Path) -> Utterance:
    place, cells = row.place, row.cells
    emotion = cells["Emotion"].lower()
    if emotion not in _WORDS:
        place.fail("Emotion", f"unknown label '{shorten(emotion)}'", suggest(emotion[:60], _WORDS))
    dialogue = f"dia{place.whole('Dialogue_ID', cells['Dialogue_ID'])}"
    stem = f"{dialogue}_utt{place.whole('Utterance_ID', cells['Utterance_ID'])}"
    return Utterance(
        id=f"{part.word}_{stem}",
        corpus="meld",
        media=str(clips / f"{stem}.mp4"),
        speaker=place.text("Speaker", cells["Speaker"]) or None,
        dialogue=f"{part.word}_{dialogue}",
        text=place.text("Utterance", cells["Utterance"]),
        labels={emotion_name(emotion): 1.0},
        split=part.split,
    )
