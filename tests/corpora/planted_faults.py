"""Raw trees with real media, and one fault of each kind planted in them: which row it concerns, in which file, and why.

A fault is (id, file below the corpus's folder, kind, reason). Its kind is ``left_out`` where the reader finds it, else that
of the error met in decoding.
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

from corpora.raw_trees import (
    COLOURS,
    TONES_HZ,
    evaluation_text,
    placeholder,
    replace_once,
    transcription_text,
    turn,
    two_actors_sound,
    write_cmu_mosei,
    write_crema_d,
    write_iemocap,
    write_meld,
    write_ravdess,
    write_text,
)
from media.making import write_media
from mesmer.corpora import cmu_mosei, crema_d, iemocap, meld, ravdess

Fault = tuple[str, str, str, str]
EMPTY = "the media file is empty"
FPS = 8


def video(path: Path, duration_s: float, *, picture: bool = True, sound: bool = True) -> None:
    """A small film of noise with a tone; of what suffix asks for. What follows from the name is always the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(list(path.stem.encode()))
    if path.suffix == ".wav":
        write_wave(path, duration_s)
        return
    flash = path.suffix == ".flv"
    frames = [generator.integers(0, 256, (32, 48, 3), dtype=np.uint8) for _ in range(round(duration_s * FPS))]
    rate_hz = 22_050 if flash else 16_000
    write_media(
        path,
        pictures=frames if picture else (),
        fps=FPS,
        video_codec="flv" if flash else "libx264",
        video_options={} if flash else {"preset": "ultrafast"},
        sound=generator.uniform(-0.2, 0.2, round(duration_s * rate_hz)) if sound else None,
        rate_hz=rate_hz,
        audio_codec="pcm_s16le" if flash else "aac",
    )


def write_wave(path: Path, duration_s: float) -> None:
    samples = np.random.default_rng(list(path.stem.encode())).integers(-4000, 4000, round(duration_s * 16_000))
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())


def two_actors_film(path: Path, duration_s: float) -> None:
    """As delivered: an avi file, each actor a plain colour in one half; the one of the dialogue's letter on the left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = path.name[5]
    frame = np.zeros((48, 96, 3), np.uint8)
    frame[:, :48], frame[:, 48:] = COLOURS[left], COLOURS["M" if left == "F" else "F"]
    write_media(path, pictures=[frame] * round(FPS * duration_s), fps=FPS, video_codec="mpeg4")


def iemocap_tree(root: Path) -> Path:
    return write_iemocap(root, picture=two_actors_film, sound=two_actors_sound)


def mosei_tree(root: Path) -> Path:
    return write_cmu_mosei(root, media=video)


def meld_tree(root: Path) -> Path:
    return write_meld(root, media=video)


def ravdess_tree(root: Path) -> Path:
    return write_ravdess(root, media=video)


def crema_d_tree(root: Path) -> Path:
    write_crema_d(root, media=video)
    for sound in (root / "AudioWAV").glob("*.wav"):
        write_wave(sound, 2.5)
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "iemocap": iemocap_tree,
    "cmu_mosei": mosei_tree,
    "meld": meld_tree,
    "ravdess": ravdess_tree,
    "crema_d": crema_d_tree,
}


def cut(path: Path) -> None:
    """A download that broke off."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# --- IEMOCAP ---------------------------------------------------------------------------------------------------------


def _dialogue(root: Path, name: str) -> tuple[Path, Path]:
    """A dialogue more, of one turn; returns its picture and its sound."""
    dialog = root / f"Session{name[4]}" / "dialog"
    turns = [turn(f"{name}_F000", 0.5, 1.5, "neu", "Neutral;", "Neutral;", "Neutral;")]
    write_text(dialog / "EmoEvaluation" / f"{name}.txt", evaluation_text(turns))
    write_text(dialog / "transcriptions" / f"{name}.txt", transcription_text(turns))
    picture, sound = dialog / "avi" / "DivX" / f"{name}.avi", dialog / "wav" / f"{name}.wav"
    two_actors_film(picture, 2.0)
    two_actors_sound(sound, 2.0)
    return picture, sound


def plant_iemocap(root: Path) -> list[Fault]:
    dialog = root / "Session1" / "dialog"
    words, words_2 = (dialog / "transcriptions" / f"{name}.txt" for name in ("Ses01F_impro01", "Ses01M_script01_1"))
    scores, scores_2 = (dialog / "EmoEvaluation" / f"{name}.txt" for name in ("Ses01F_impro01", "Ses01M_script01_1"))
    replace_once(words, "Ses01F_impro01_F000 [000.5000-001.5000]", "Ses01F_impro01_F000 [003.5000-004.5000]")
    replace_once(words, "This is M000, it is fru.", " \x07 ")
    with words.open("a") as file:
        file.write("Ses01F_impro01_M001 [003.6000-004.4000]: Said again.\n")
        file.write("Ses01F_impro01_MXX0 [004.5000-004.6000]: [LAUGHTER]\n")
    replace_once(scores_2, "[0.2500 - 1.2500]", "[1.2500 - 1.2500]")
    lines = words_2.read_text().splitlines(keepends=True)
    words_2.write_text("".join(line for line in lines if "_M001" not in line))
    replace_once(scores_2, "[1.5000 - 2.5000]", "[8.5000 - 9.5000]")  # the film lasts 5 s
    replace_once(words_2, "[001.5000-002.5000]", "[008.5000-009.5000]")
    pictures, sounds = {}, {}
    for name in ("Ses01F_impro02", "Ses01F_impro03", "Ses01M_impro04", "Ses01M_impro05", "Ses05F_impro06"):
        pictures[name[-1]], sounds[name[-1]] = _dialogue(root, name)
    pictures["2"].unlink()
    sounds["3"].unlink()
    pictures["4"].write_bytes(b"")
    pictures["5"].write_bytes(b"This is not a film.\n" * 100)
    sounds["6"].write_bytes(b"RIFF\xff\xff\xff\xffWAVEjunk")
    part = "Session1/dialog"
    return [
        ("Ses01F_impro01_F000", f"{part}/transcriptions/{words.name}", "left_out", iemocap.TIMES_DIFFER),
        ("Ses01F_impro01_M000", f"{part}/transcriptions/{words.name}", "left_out", iemocap.EMPTY_TRANSCRIPTION),
        ("Ses01F_impro01_M001", f"{part}/transcriptions/{words.name}", "left_out", iemocap.TRANSCRIBED_TWICE),
        ("Ses01F_impro01_MXX0", f"{part}/EmoEvaluation/{scores.name}", "left_out", iemocap.NO_EVALUATION),
        ("Ses01M_script01_1_F000", f"{part}/EmoEvaluation/{scores_2.name}", "left_out", iemocap.END_BEFORE_START),
        ("Ses01M_script01_1_M001", f"{part}/transcriptions/{words_2.name}", "left_out", iemocap.NO_TRANSCRIPTION),
        ("Ses01M_script01_1_M000", f"{part}/avi/DivX/Ses01M_script01_1.avi", "range", "start_s is 8.5"),
        ("Ses01F_impro02_F000", f"{part}/avi/DivX/Ses01F_impro02.avi", "left_out", "no picture file"),
        ("Ses01F_impro03_F000", f"{part}/wav/Ses01F_impro03.wav", "left_out", "no sound file"),
        ("Ses01M_impro04_F000", f"{part}/avi/DivX/Ses01M_impro04.avi", "left_out", EMPTY),
        ("Ses01M_impro05_F000", f"{part}/avi/DivX/Ses01M_impro05.avi", "container", "no media file that is read here"),
        ("Ses05F_impro06_F000", "Session5/dialog/wav/Ses05F_impro06.wav", "corrupt", "cannot be opened as wav"),
    ]


# --- CMU-MOSEI -------------------------------------------------------------------------------------------------------


def plant_mosei(root: Path) -> list[Fault]:
    texts, films = root / "Transcript" / "Segmented" / "Combined", root / "Videos" / "Full" / "Combined"
    first, table = texts / "-3g5yACwYnA.txt", root / "Labels" / "Batch_2.csv"
    replace_once(first, "___They've been able, you know.", "___  ")
    replace_once(first, "___2___4.84___14.052___", "___2___14.84___14.052___")
    with first.open("a") as file:
        file.write("-3g5yACwYnA___10___82.753___100.555___Key is part of the people.\n")
        file.write("-3g5yACwYnA___99___1.0___2.0___Nobody scored this.\n")
    with table.open("a") as file:
        file.write('"H","new","W","208416","7","1","0","0","0","0","0","0"\n')
    for number, name in enumerate(("gone", "torn", "blind", "mute", "long", "empty")):
        write_text(texts / f"{name}.txt", f"{name}___0___0___{9 if name == 'long' else 1}___Words.\n")
        video(films / f"{name}.mp4", 2.0, picture=name != "blind", sound=name != "mute")
        with table.open("a") as file:
            file.write(f'"H","n{number}","W","{name}","0","1","3","0","0","0","0","0"\n')
    (films / "gone.mp4").unlink()
    (films / "empty.mp4").write_bytes(b"")
    cut(films / "torn.mp4")
    part, place = "Transcript/Segmented/Combined", "Videos/Full/Combined"
    return [
        ("-3g5yACwYnA_13", f"{part}/{first.name}", "left_out", cmu_mosei.EMPTY_TEXT),
        ("-3g5yACwYnA_2", f"{part}/{first.name}", "left_out", cmu_mosei.END_BEFORE_START),
        ("-3g5yACwYnA_10", f"{part}/{first.name}", "left_out", cmu_mosei.SAME_SEGMENT),
        ("-3g5yACwYnA_99", "Labels", "left_out", cmu_mosei.NO_LABELS),
        ("208416_7", "Labels/Batch_2.csv", "left_out", cmu_mosei.NO_TRANSCRIPT),
        ("long_0", f"{part}/long.txt", "left_out", cmu_mosei.OUTSIDE),
        ("gone_0", f"{place}/gone.mp4", "left_out", cmu_mosei.NO_VIDEO),
        ("empty_0", f"{place}/empty.mp4", "left_out", EMPTY),
        ("torn_0", f"{place}/torn.mp4", "left_out", cmu_mosei.UNREADABLE),
        ("blind_0", f"{place}/blind.mp4", "left_out", cmu_mosei.NO_PICTURE),
        ("mute_0", f"{place}/mute.mp4", "left_out", cmu_mosei.NO_SOUND),
    ]


# --- MELD, RAVDESS, CREMA-D ------------------------------------------------------------------------------------------


def plant_meld(root: Path) -> list[Fault]:
    test = root / "output_repeated_splits_test"
    (root / "train_splits" / "dia0_utt0.mp4").unlink()
    (test / "dia0_utt0.mp4").write_bytes(b"")
    video(test / "final_videos_testdia93_utt5.mp4", 1.0)
    replace_once(root / "dev_sent_emo.csv", '"Oh my God, he\u0092s lost it."', '" "')
    cut(root / "train_splits" / "dia0_utt1.mp4")
    return [
        ("train_dia0_utt0", "train_splits/dia0_utt0.mp4", "left_out", "no picture file"),
        ("dev_dia0_utt0", "dev_sent_emo.csv", "left_out", meld.EMPTY_TEXT),
        ("test_dia0_utt0", f"{test.name}/dia0_utt0.mp4", "left_out", EMPTY),
        ("test_final_videos_testdia93_utt5", f"{test.name}/final_videos_testdia93_utt5.mp4", "left_out", meld.NO_ROW),
        ("train_dia0_utt1", "train_splits/dia0_utt1.mp4", "corrupt", "cannot be opened as mov"),
    ]


def plant_ravdess(root: Path) -> list[Fault]:
    planted = {
        "Actor_01/01-01-09-01-01-01-01.mp4": "the emotion '09' in the name is unknown",
        "Actor_01/04-01-03-01-01-01-01.mp4": "the modality '04' in the name is unknown",
        "Actor_01/01-01-03-01-01-01-25.mp4": "the actor '25' in the name is unknown",
        "Actor_01/holiday.mp4": ravdess.NOT_A_NAME,
        "Actor_02/01-01-06-01-01-01-01.mp4": ravdess.OTHER_ACTOR,
        "Actor_02/02-02-04-01-01-01-02.mp4": ravdess.SONG,
        "Actor_24/more/01-01-03-02-02-01-01.mp4": ravdess.SAME_NAME,
        "Actor_24/01-01-07-01-01-01-24.mp4": EMPTY,
    }
    for name in planted:
        video(root / name, 1.0)
    (root / "Actor_24/01-01-07-01-01-01-24.mp4").write_bytes(b"")
    placeholder(root / "Actor_01" / "._01-01-01-01-01-01-01.mp4")  # what a Mac leaves, which is no fault
    return [(Path(name).stem, name, "left_out", reason) for name, reason in planted.items()]


def plant_crema_d(root: Path) -> list[Fault]:
    picture, sound = root / "VideoFlash", root / "AudioWAV"
    names = {
        "1001_XXX_ANG_XX": ("VideoFlash/1001_XXX_ANG_XX.flv", "the sentence 'XXX' in the name is unknown"),
        "1001_DFA_ANG_QQ": ("VideoFlash/1001_DFA_ANG_QQ.flv", "the level 'QQ' in the name is unknown"),
        "1001_DFA_JOY_XX": ("VideoFlash/1001_DFA_JOY_XX.flv", "the emotion 'JOY' in the name is unknown"),
        "DFA_ANG_XX": ("VideoFlash/DFA_ANG_XX.flv", crema_d.NOT_A_NAME),
        "1002_DFA_ANG_XX": ("VideoDemographics.csv", crema_d.UNKNOWN_ACTOR),
        "1001_TAI_FEA_HI": ("processedResults/tabulatedVotes.csv", crema_d.NO_VOTES),
    }
    for name in names:
        video(picture / f"{name}.flv", 1.0)
        write_wave(sound / f"{name}.wav", 1.0)
    (picture / "1001_IEO_NEU_XX.flv").unlink()
    (sound / "1091_WSI_DIS_XX.wav").unlink()
    (sound / "1040_ITH_SAD_X.wav").write_bytes(b"")
    return [
        *((name, file, "left_out", reason) for name, (file, reason) in names.items()),
        ("1001_IEO_NEU_XX", "VideoFlash/1001_IEO_NEU_XX.flv", "left_out", "no picture file"),
        ("1091_WSI_DIS_XX", "AudioWAV/1091_WSI_DIS_XX.wav", "left_out", "no sound file"),
        ("1040_ITH_SAD_X", "AudioWAV/1040_ITH_SAD_X.wav", "left_out", EMPTY),
    ]


PLANTERS: dict[str, Callable[[Path], list[Fault]]] = {
    "iemocap": plant_iemocap,
    "cmu_mosei": plant_mosei,
    "meld": plant_meld,
    "ravdess": plant_ravdess,
    "crema_d": plant_crema_d,
}


def tone_of(samples: np.ndarray) -> str:
    """Whose tone it is, F or M, and certainly so."""
    strength = {}
    for who, frequency_hz in TONES_HZ.items():
        phase = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / 16_000)
        strength[who] = abs(np.mean(samples * phase))
    first, second = sorted(strength, key=lambda who: -strength[who])
    assert strength[first] > 20 * strength[second]
    return first


def colour_of(faces: np.ndarray) -> str:
    """Whose colour it is, F or M, and certainly so."""
    mean = faces.reshape(-1, 3).mean(axis=0)
    distance = {who: float(np.abs(mean - colour).max()) for who, colour in COLOURS.items()}
    first, second = sorted(distance, key=lambda who: distance[who])
    assert distance[first] < 25 < 100 < distance[second]
    return first
