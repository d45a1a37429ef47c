"""Writes small corpora in the exact raw layout of each published one, for the tests of the readers.

Media are placeholders (a byte that exists) unless a test asks for real ones.
"""

from __future__ import annotations

import csv
import wave
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mesmer.media.writer import write_video

MediaWriter = Callable[[Path, float], None]


def placeholder(path: Path, duration_s: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x01")


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def replace_once(path: Path, old: str, new: str) -> None:
    """Plant a fault: the text must stand there exactly once."""
    data = path.read_bytes()
    assert data.count(old.encode()) == 1, f"{old!r} stands {data.count(old.encode())} times in {path}"
    path.write_bytes(data.replace(old.encode(), new.encode()))


# --- IEMOCAP ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    name: str
    start_s: float
    end_s: float
    code: str
    votes: tuple[str, ...]
    text: str


def turn(name: str, start_s: float, end_s: float, code: str, *votes: str) -> Turn:
    return Turn(name, start_s, end_s, code, votes, f"This is {name[-4:]}, it is {code}.")


IEMOCAP_TURNS: Mapping[str, tuple[Turn, ...]] = {
    "Ses01F_impro01": (
        turn("Ses01F_impro01_F000", 0.5, 1.5, "neu", "Neutral;", "Neutral;", "Sadness; Neutral;"),
        turn("Ses01F_impro01_M000", 1.6, 2.4, "fru", "Frustration;", "Anger; Frustration;", "Frustration;"),
        turn("Ses01F_impro01_F001", 2.5, 3.5, "xxx", "Neutral;", "Sadness;", "Frustration;"),
        turn("Ses01F_impro01_M001", 3.6, 4.4, "ang", "Anger;", "Anger;", "Anger;"),
    ),
    "Ses01M_script01_1": (
        turn("Ses01M_script01_1_F000", 0.25, 1.25, "hap", "Happiness;", "Happiness;", "Excited;"),
        turn("Ses01M_script01_1_M000", 1.5, 2.5, "exc", "Excited;", "Excited; Happiness;", "Surprise;"),
        turn("Ses01M_script01_1_FXX0", 2.6, 3.5, "sur", "Surprise;", "Surprise;", "Surprise;"),
        turn("Ses01M_script01_1_M001", 3.75, 4.5, "sad", "Sadness;", "Sadness;", "Other;"),
    ),
    "Ses05M_impro08b": (
        turn("Ses05M_impro08b_F000", 0.5, 2.0, "oth", "Other;", "Other;", "Other;"),
        turn("Ses05M_impro08b_M000", 2.0, 4.0, "sad", "Sadness;", "Neutral state;", "Sadness;"),
    ),
}
IEMOCAP_DURATION_S = 5.0


def evaluation_text(turns: Iterable[Turn]) -> str:
    blocks = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
    for turn in turns:
        lines = [f"[{turn.start_s:.4f} - {turn.end_s:.4f}]\t{turn.name}\t{turn.code}\t[2.5000, 2.5000, 2.5000]"]
        lines += [f"C-E{number}:\t{vote}\t()" for number, vote in enumerate(turn.votes, start=2)]
        lines += [f"C-{turn.name[5]}1:\tFear;\t(what the actor said, not a rater)"]
        lines += ["A-E3:\tval 3; act 2; dom  2;\t()", "A-F1:\tval ; act 2; dom  1;\t()"]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks) + "\n"


def transcription_text(turns: Iterable[Turn]) -> str:
    lines = [f"{turn.name} [{turn.start_s:08.4f}-{turn.end_s:08.4f}]: {turn.text}" for turn in turns]
    lines.insert(1, "M: Yeah.")
    return "\n".join(lines) + "\n"


def write_iemocap(root: Path, *, picture: MediaWriter | None = None, sound: MediaWriter | None = None) -> Path:
    """Sessions 1 and 5. ``picture`` and ``sound`` write the file of a dialogue; by default placeholders."""
    for dialogue, turns in IEMOCAP_TURNS.items():
        dialog = root / f"Session{dialogue[4]}" / "dialog"
        write_text(dialog / "EmoEvaluation" / f"{dialogue}.txt", evaluation_text(turns))
        write_text(dialog / "transcriptions" / f"{dialogue}.txt", transcription_text(turns))
        (picture or placeholder)(dialog / "avi" / "DivX" / f"{dialogue}.avi", IEMOCAP_DURATION_S)
        (sound or placeholder)(dialog / "wav" / f"{dialogue}.wav", IEMOCAP_DURATION_S)
        for folder in ("EmoEvaluation", "transcriptions"):  # what a Mac leaves in an archive
            (dialog / folder / f"._{dialogue}.txt").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X")
        write_text(dialog / "EmoEvaluation" / "Categorical" / f"{dialogue}_e2_cat.txt", "another format")
    return root


COLOURS: Mapping[str, tuple[int, int, int]] = {"F": (200, 40, 40), "M": (40, 40, 200)}
TONES_HZ: Mapping[str, float] = {"F": 440.0, "M": 220.0}


def two_actors_picture(path: Path, duration_s: float) -> None:
    """Both actors side by side, each a plain colour; the one of the dialogue's letter is on the left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = path.name[5]
    frame = np.zeros((48, 96, 3), np.uint8)
    frame[:, :48], frame[:, 48:] = COLOURS[left], COLOURS["M" if left == "F" else "F"]
    write_video(path, (frame for _ in range(round(10 * duration_s))), 10)


def two_actors_sound(path: Path, duration_s: float, *, rate_hz: int = 16_000) -> None:
    """A stereo wav file, each actor a tone; the one of the dialogue's letter is in the left channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = path.name[5]
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tones = [np.sin(2 * np.pi * TONES_HZ[who] * times_s) for who in (left, "M" if left == "F" else "F")]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.stack(tones, axis=1) * 20_000).astype("<i2").tobytes())


# --- CMU-MOSEI -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segment:
    """Scores are those of the mean annotator, in the order happy, sad, anger, surprise, disgust, fear."""

    clip: int
    start_s: float
    end_s: float
    text: str
    scores: tuple[float, ...]


THIRD = 1 / 3
MOSEI_VIDEOS: Mapping[str, tuple[Segment, ...]] = {
    "-3g5yACwYnA": (
        Segment(10, 82.753, 100.555, "Key is part of the people.", (2 / 3, 2 / 3, 0, 0, 0, 2 / 3)),
        Segment(13, 119.919, 125.299, "They've been able, you know.", (0, 0, 0, 0, 0, 0)),
        Segment(2, 4.84, 14.052, "And___so it goes.", (0, 0, 1, 0, THIRD, 0)),
    ),
    "a_b__c_": (
        Segment(0, 0.0, 9.213, "Plain words.", (3, 0, 0, 0, 0, 0)),
        Segment(1, 9.2, 20.098, "More plain words.", (0, 0, 0, THIRD, 0, 0)),
    ),
    "208416": (Segment(0, 1.0, 2.0, "I like it.", (1, 0, 0, 0, 0, 0)),),
}
MOSEI_DURATIONS: Mapping[str, float] = {"-3g5yACwYnA": 130.0, "a_b__c_": 20.0, "208416": 2.5}
_ANSWERS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")


def write_cmu_mosei(root: Path, *, labels: Sequence[str] = ("csv",), media: MediaWriter | None = None) -> Path:
    """``labels`` holds ``csd`` (needs h5py), ``csv`` or both."""
    for video, segments in MOSEI_VIDEOS.items():
        lines = [f"{video}___{s.clip}___{s.start_s}___{s.end_s}___{s.text}\n" for s in segments]
        write_text(root / "Transcript" / "Segmented" / "Combined" / f"{video}.txt", "".join(lines))
        (media or placeholder)(root / "Videos" / "Full" / "Combined" / f"{video}.mp4", MOSEI_DURATIONS[video])
        placeholder(root / "Audio" / "Full" / "WAV_16000" / f"{video}.wav")
    if "csd" in labels:
        write_csd(root / "CMU_MOSEI_Labels.csd", csd_rows())
    if "csv" in labels:
        write_annotations(root / "Labels")
    return root


def csd_rows() -> dict[str, list[tuple[float, ...]]]:
    """Video -> rows of start, end, sentiment and six emotions; not in the order of the transcript."""
    return {v: [(s.start_s, s.end_s, 1.0, *s.scores) for s in reversed(found)] for v, found in MOSEI_VIDEOS.items()}


def write_csd(path: Path, rows: Mapping[str, Sequence[Sequence[float]]]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        data = file.create_group("All Labels/data")
        for video, found in rows.items():
            table = np.array(found, dtype=np.float64).reshape(-1, 9)
            data[f"{video}/features"] = table[:, 2:].astype(np.float32)
            data[f"{video}/intervals"] = table[:, :2]
        file.create_group("All Labels/metadata")


def write_annotations(folder: Path) -> None:
    """Three annotators per segment in two tables; the second table repeats an assignment of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["HITId", "AssignmentId", "WorkerId", "Input.VIDEO_ID", "Input.CLIP", "Answer.sentiment"]
    columns += [f"Answer.{name}" for name in _ANSWERS]
    rows = []
    for video, segments in MOSEI_VIDEOS.items():
        for segment in segments:
            for worker in range(3):
                # Three whole answers whose mean is the score.
                answers = [max(0, min(3, round(3 * score) - 3 * worker)) for score in segment.scores]
                head = [f"H{segment.clip}", f"{video}-{segment.clip}-{worker}", f"W{worker}", video, segment.clip, 1]
                rows.append(head + answers)
    for name, found in (("Batch_1.csv", rows[:9]), ("Batch_2.csv", [rows[0], *rows[9:]])):
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(columns)
            writer.writerows(found)


# --- MELD ------------------------------------------------------------------------------------------------------------

MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
MELD_ROWS: Mapping[str, tuple[str, ...]] = {
    "train": (
        '1,"also I was the point person, from the KL-5.",Chandler,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"',
        '2,"You must\u0092ve had your hands full.",The Interviewer,joy,neutral,0,1,8,21,"00:16:21,940","00:16:23,442"',
        '3,"He said ""no"",\nand left.",Ross,anger,negative,1,0,8,21,"00:16:23,442","00:16:26,389"',
    ),
    "dev": ('1,"Oh my God, he\u0092s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"',),
    "test": (
        '1,"Why do you\u0092re mugs have numbers?",Mark,surprise,positive,0,0,3,19,"00:14:38,127","00:14:40,378"',
        '2,"Oh.",Rachel,disgust,negative,0,1,3,19,"00:14:40,629","00:14:43,256"',
    ),
}  # fmt: skip
MELD_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
MELD_CLIPS = {
    "train": ("dia0_utt0", "dia0_utt1", "dia1_utt0"),
    "dev": ("dia0_utt0",),
    "test": ("dia0_utt0", "dia0_utt1"),
}


def write_meld(root: Path, *, inner: bool = False, media: MediaWriter | None = None) -> Path:
    """``inner``: clips in train/train_splits and so on, and the train table beside them, as the archives unpack."""
    for word, rows in MELD_ROWS.items():
        place = root / word if inner else root
        table_place = root / word if inner and word == "train" else root
        write_text(table_place / f"{word}_sent_emo.csv", "\n".join((MELD_HEADER, *rows)) + "\n")
        for clip in MELD_CLIPS[word]:
            (media or placeholder)(place / MELD_FOLDERS[word] / f"{clip}.mp4", 2.0)
            (place / MELD_FOLDERS[word] / f"._{clip}.mp4").write_bytes(b"Mac")
    return root


# --- RAVDESS and CREMA-D ---------------------------------------------------------------------------------------------

RAVDESS_FILES = (
    "Actor_01/01-01-01-01-01-01-01.mp4",
    "Actor_01/02-01-01-01-01-01-01.mp4",
    "Actor_01/01-01-03-02-02-01-01.mp4",
    "Actor_02/02-01-08-01-01-02-02.mp4",
    "Actor_02/03-01-08-01-01-02-02.wav",
    "Actor_24/03-01-05-02-02-02-24.wav",
    "Actor_24/01-02-04-01-01-01-24.mp4",
)


def write_ravdess(root: Path, *, media: MediaWriter | None = None) -> Path:
    for name in RAVDESS_FILES:
        (media or placeholder)(root / name, 3.5)
    write_text(root / "README.txt", "not a recording")
    return root


CREMA_D_NAMES = ("1001_IEO_NEU_XX", "1001_IEO_HAP_LO", "1040_ITH_SAD_X", "1091_WSI_DIS_XX")
CREMA_D_VOTES = (
    # number, A, D, F, H, N, S, fileName, numResponses
    (100001, 0, 0, 0, 1, 9, 0, "1001_IEO_NEU_XX", 10),
    (100002, 0, 0, 0, 3, 6, 0, "1001_IEO_HAP_LO", 9),
    (100003, 0, 0, 2, 0, 0, 8, "1040_ITH_SAD_XX", 10),
    (100004, 0, 3, 0, 0, 7, 0, "1091_WSI_DIS_XX", 10),
    (200001, 0, 0, 0, 0, 8, 0, "1001_IEO_NEU_XX", 8),
    (200002, 0, 0, 0, 10, 0, 0, "1001_IEO_HAP_LO", 10),
    (200003, 0, 0, 0, 0, 5, 5, "1040_ITH_SAD_XX", 10),
    (200004, 1, 9, 0, 0, 0, 0, "1091_WSI_DIS_XX", 10),
    (300001, 0, 0, 0, 1, 10, 0, "1001_IEO_NEU_XX", 11),
    (300002, 0, 0, 0, 5, 5, 0, "1001_IEO_HAP_LO", 10),
    (300003, 0, 0, 1, 0, 1, 8, "1040_ITH_SAD_XX", 10),
    (300004, 2, 6, 0, 0, 2, 0, "1091_WSI_DIS_XX", 10),
)


def write_crema_d(root: Path, *, media: MediaWriter | None = None) -> Path:
    for name in CREMA_D_NAMES:
        (media or placeholder)(root / "VideoFlash" / f"{name}.flv", 2.5)
        placeholder(root / "AudioWAV" / f"{name}.wav")
    header = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"\n'
    rows = [",".join(_quoted(value) for value in (str(row[0]), *row[1:], 0.5, "N")) for row in CREMA_D_VOTES]
    write_text(root / "processedResults" / "tabulatedVotes.csv", header + "\n".join(rows) + "\n")
    people = ["1001,51,Male", "1040,40,Female", "1091,29,Female"]
    lines = ['"ActorID","Age","Sex","Race","Ethnicity"', *(f'{person},"Asian","Not Hispanic"' for person in people)]
    write_text(root / "VideoDemographics.csv", "\n".join(lines) + "\n")
    return root


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
