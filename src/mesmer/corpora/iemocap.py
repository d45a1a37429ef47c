"""IEMOCAP as delivered: ten actors, five sessions, two actors side by side in one picture and one stereo recording.

Layout::

    SessionN/dialog/EmoEvaluation/SesNNX_*.txt     times, turn, majority label, and what each rater said
    SessionN/dialog/transcriptions/SesNNX_*.txt    turn [start-end]: words
    SessionN/dialog/avi/DivX/SesNNX_*.avi          both actors side by side
    SessionN/dialog/wav/SesNNX_*.wav               stereo, one channel per actor

The actor whose letter ends the first part of a dialogue's name (F in ``Ses01F_impro01``) is seen in the left half and
heard in the left channel, the partner in the right; the letter that begins a turn's last part (``_M000``) says who speaks.

Rows are the turns named by an evaluation or a transcription. A damaged line is a DataError; a turn whose parts do not
meet, or whose label is not one of the six main categories (paper Table 1), is left out with the rule that did it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.iemocap_turns import OTHER_CODES, Evaluation, Transcription, read_evaluations, read_transcriptions
from mesmer.corpora.raw_files import NO_PICTURE_FILE, NO_SOUND_FILE, find_root, media_problem, visible_files
from mesmer.corpora.text_files import shorten
from mesmer.emotions import IEMOCAP_EMOTIONS, emotion_name
from mesmer.errors import ConfigError, DataError
from mesmer.records import Utterance

Targets = Literal["majority", "soft", "multi"]

MAX_TIME_DIFFERENCE_S = 1.0
"""Evaluation and transcription of a turn may differ by so much before they are taken to speak of different stretches."""

NO_EVALUATION = "no evaluation of this turn"
NO_TRANSCRIPTION = "no transcription of this turn"
EMPTY_TRANSCRIPTION = "the transcription is empty"
TRANSCRIBED_TWICE = "the turn is transcribed twice"
END_BEFORE_START = "the end is not after the start"
TIMES_DIFFER = "evaluation and transcription name different times"
NO_RATER = "no rater named one of the main categories"


def read_iemocap(root: str | Path, *, targets: Targets = "majority", merge_excited: bool = False) -> Corpus:
    """Read the raw corpus; nothing is decoded.

    Args:
        root: the folder that holds ``Session1`` to ``Session5``, or the folder around it.
        targets: ``majority`` gives the label most raters agreed on; ``soft`` gives each emotion the share of raters who
            named it; ``multi`` gives 1 to every emotion that any rater named. Only the outside raters count, not what
            the actors said of themselves.
        merge_excited: count excitement as happiness, which leaves five emotions.

    Raises:
        DataError: the layout is not there, or a line is damaged (with file, line and field).
        ConfigError: ``targets`` is unknown.
    """
    if targets not in ("majority", "soft", "multi"):
        raise ConfigError(f"targets is '{targets}'", field="targets", remedy="use majority, soft or multi")
    base = find_root(root, is_root=lambda folder: bool(_sessions(folder)), expected="folders Session1 to Session5")
    reader = _Reader(targets=targets, merge_excited=merge_excited)
    for session in _sessions(base):
        for dialogue in _dialogues(session):
            reader.read_dialogue(session, dialogue)
    emotions = tuple(e for e in IEMOCAP_EMOTIONS if not (merge_excited and e == "excitement"))
    if not reader.utterances and not reader.left_out:
        remedy = "SessionN/dialog/EmoEvaluation must hold the evaluations"
        raise DataError("no evaluated turn was found", file=base, field="dialog/EmoEvaluation", remedy=remedy)
    return Corpus(
        name="iemocap",
        emotions=emotions,
        utterances=tuple(reader.utterances),
        root=base,
        left_out=tuple(reader.left_out),
    )


class _Reader:
    """Collects utterances and left-out turns, dialogue by dialogue."""

    def __init__(self, *, targets: Targets, merge_excited: bool) -> None:
        self.targets = targets
        self.merge_excited = merge_excited
        self.utterances: list[Utterance] = []
        self.left_out: list[LeftOut] = []

    def read_dialogue(self, session: Path, dialogue: str) -> None:
        folder = session / "dialog"
        evaluation_file = folder / "EmoEvaluation" / f"{dialogue}.txt"
        transcription_file = folder / "transcriptions" / f"{dialogue}.txt"
        picture, sound = folder / "avi" / "DivX" / f"{dialogue}.avi", folder / "wav" / f"{dialogue}.wav"
        turns = read_evaluations(evaluation_file, dialogue) if evaluation_file.is_file() else []
        lines = read_transcriptions(transcription_file, dialogue) if transcription_file.is_file() else []
        spoken: dict[str, list[Transcription]] = {}
        for line in lines:
            spoken.setdefault(line.turn, []).append(line)
        problems = (
            (picture, media_problem(picture, missing=NO_PICTURE_FILE)),
            (sound, media_problem(sound, missing=NO_SOUND_FILE)),
        )
        for turn in turns:
            said = spoken.pop(turn.turn, [])
            rule = self._rule(turn, said)
            broken = next(((file, problem) for file, problem in problems if problem), None)
            labels = self._labels(turn)
            if broken:
                self._leave_out(turn.turn, *broken)
            elif rule:
                self._leave_out(turn.turn, *((turn.place.file if rule == END_BEFORE_START else transcription_file), rule))
            elif isinstance(labels, str):
                self._leave_out(turn.turn, turn.place.file, labels)
            else:
                self.utterances.append(_utterance(turn, said[0].text, labels, picture=picture, sound=sound))
        for name in spoken:
            self._leave_out(name, evaluation_file, NO_EVALUATION)

    def _leave_out(self, turn: str, file: Path, rule: str) -> None:
        self.left_out.append(LeftOut(id=turn, file=str(file), rule=rule))

    def _rule(self, turn: Evaluation, said: list[Transcription]) -> str | None:
        """The rule that leaves out a turn because its times and its transcription do not meet."""
        if turn.end_s <= turn.start_s:
            return END_BEFORE_START
        if len(said) != 1:
            return TRANSCRIBED_TWICE if said else NO_TRANSCRIPTION
        if not said[0].text:
            return EMPTY_TRANSCRIPTION
        difference_s = max(abs(said[0].start_s - turn.start_s), abs(said[0].end_s - turn.end_s))
        return TIMES_DIFFER if difference_s > MAX_TIME_DIFFERENCE_S else None

    def _labels(self, turn: Evaluation) -> dict[str, float] | str:
        """The labels of a turn, or the rule that leaves it out."""
        if self.targets == "majority":
            if turn.code in OTHER_CODES:
                return f"the label '{turn.code}' ({OTHER_CODES[turn.code]}) is not one of the main categories"
            return {self._merged(emotion_name(turn.code)): 1.0}
        votes = [{self._merged(word) for word in vote} for vote in turn.votes]
        named = {emotion: sum(emotion in vote for vote in votes) for emotion in IEMOCAP_EMOTIONS}
        share = {emotion: count / len(votes) for emotion, count in named.items() if count}
        if not share:
            return NO_RATER
        return share if self.targets == "soft" else dict.fromkeys(share, 1.0)

    def _merged(self, emotion: str) -> str:
        return "happiness" if self.merge_excited and emotion == "excitement" else emotion


def _utterance(turn: Evaluation, text: str, labels: dict[str, float], *, picture: Path, sound: Path) -> Utterance:
    dialogue, _, last = turn.turn.rpartition("_")
    session, letter = dialogue[:5], dialogue[5]
    side: Literal["left", "right"] = "left" if last[0] == letter else "right"
    return Utterance(
        id=turn.turn,
        corpus="iemocap",
        media=str(picture),
        sound=str(sound),
        start_s=turn.start_s,
        end_s=turn.end_s,
        speaker=f"{session}_{last[0]}",
        dialogue=dialogue,
        text=text,
        labels=labels,
        region=side,
        channel=side,
    )


def _sessions(folder: Path) -> list[Path]:
    return [folder / f"Session{n}" for n in range(1, 6) if (folder / f"Session{n}" / "dialog").is_dir()]


def _dialogues(session: Path) -> list[str]:
    """Names of the dialogues of a session, such as ``Ses01F_impro01``; each must belong to it."""
    dialog = session / "dialog"
    files = [
        path for part in ("EmoEvaluation", "transcriptions") for path in visible_files(dialog / part, suffixes=[".txt"])
    ]
    names = sorted({path.stem for path in files if path.stem.startswith("Ses")})
    prefix = f"Ses0{session.name[-1]}"
    for name in names:
        if not name.startswith(prefix) or name[5:6] not in ("F", "M") or name[6:7] != "_":
            problem = f"'{shorten(name)}' is not a dialogue of {session.name}"
            raise DataError(problem, file=dialog, field="file name", remedy=f"names begin with {prefix}F_ or {prefix}M_")
    return names
