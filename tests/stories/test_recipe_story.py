"""The three branch recipes, from tables of drawn faces, made voices and made sentences to the table of the test split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mesmer.cli.main import main

RECIPES = Path(__file__).parents[2] / "recipes"
EKMAN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SMOKE = {
    "faces": ["--model.width", "4", "--model.feature_width", "16"],
    "voices": ["--model.width", "2", "--model.feature_width", "16"],
    "words": ["--model.text.encoder", "small", "--model.text.width", "16", "--model.width", "2"],
}
"""What makes the networks of the recipes small; everything else is as it stands there."""


def faces(root: Path) -> tuple[str, Path]:
    """Faces that are one grey where they are one emotion, with noise."""
    from corpora.public_trees import fer_rows, write_fer_table

    count = 70
    rng = np.random.default_rng(0)
    grey = np.array([30 * (n % 7) + 30 for n in range(len(fer_rows(count)))])[:, None, None]
    return "fer2013", write_fer_table(root, (grey + rng.integers(-9, 10, (count, 48, 48))).astype(np.uint8))


def voices(root: Path) -> tuple[str, Path]:
    """Hums whose pitch tells the emotion."""
    import io

    from soundfile import write

    from corpora.public_trees import write_voice_table

    names, sounds = [], []
    for actor in range(2, 25):
        for emotion in (3, 5):
            time_s = np.arange(12_800) / 16_000
            hum = 0.3 * np.sin(2 * np.pi * 90 * emotion * (1 + actor / 200) * time_s)
            data = io.BytesIO()
            write(data, hum, 16_000, format="FLAC")
            names.append(f"03-01-{emotion:02d}-01-01-01-{actor:02d}.flac")
            sounds.append(data.getvalue())
    return "ravdess_speech", write_voice_table(root, names, sounds)


def words(root: Path) -> tuple[str, Path]:
    from corpora.public_trees import write_goemotions

    splits = ["train"] * 6 + ["valid"] * 2 + ["test"] * 2
    rows = [(splits[(n // 7) % 10], f"it is {EKMAN[n % 7]} number {n}", str(n % 7), f"id{n}") for n in range(140)]
    return "goemotions", write_goemotions(root, rows, EKMAN, fine=False)


@pytest.mark.parametrize("recipe", [faces, voices, words], ids=lambda one: one.__name__)
def test_a_recipe_end_to_end(recipe: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = recipe.__name__  # type: ignore[attr-defined]
    kind, source = recipe(tmp_path / "raw")  # type: ignore[operator]
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    assert main(["prepare", kind, str(source), "--out", data, "--workers", "0"]) == 0
    config = ["--config", str(RECIPES / f"{name}.yaml"), "--data", data, "--run", run]
    assert main(["train", *config, *SMOKE[name], "--train.epochs", "2"]) == 0
    if name == "faces":  # its second half begins where the first ended
        first, run = run, str(tmp_path / "more")
        config = ["--config", str(RECIPES / "faces_more.yaml"), "--data", data, "--run", run]
        assert main(["train", *config, *SMOKE[name], "--train.epochs", "2", "--init-branches", f"faces={first}"]) == 0
    capsys.readouterr()
    assert main(["evaluate", run, "--data", data, "--split", "test", "--resamples", "50", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    first = told["table"]["rows"][0] if "table" in told else told["rows"][0]
    one = first["one_answer"]
    assert one is not None  # in each of these little corpora one emotion is carried by each utterance
    low, high = first["one_answer_intervals"]["balanced_accuracy"]
    assert 0 <= low <= high <= 1
    history = json.loads((Path(run) / "history.json").read_text())
    assert len(history["epochs"]) == 2
    assert ("valid_one_accuracy" in history["epochs"][0]) == (name != "words")
    assert main(["evaluate", run, "--data", data, "--split", "test", "--resamples", "20"]) == 0
    shown = capsys.readouterr().out
    assert "(UAR)" in shown
