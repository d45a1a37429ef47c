"""Own labels from an existing model, by its command: from cached states, resumed, refused, used by all the others."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mesmer.cli.main import main
from mesmer.config import ModelSettings, PrepareSettings, SparseSettings, TextSettings
from mesmer.corpora.base import Corpus
from mesmer.dataset.prepare import prepare
from mesmer.models import build_model, load_model
from mesmer.records import Utterance
from mesmer.signals.text import train_tokenizer
from mesmer.storage.hashes import sha256_file
from mesmer.training import state_cache

pytestmark = pytest.mark.timeout(900)  # a minute of computing; the rest is a busy disk, where there is one

LABELS = ("hostile", "open", "calm")
WORDS = {"anger": "furious", "disgust": "vile", "happiness": "lovely", "surprise": "sudden"}
PLAIN = ("the", "river", "opens", "today")
"""What the base was taught. The new labels merge them (hostile: anger or disgust; open: happiness or surprise), and name
what it had no name for: calm, where none of them is expressed. The nearest emotion for that is a guess."""
MAP = "hostile: [anger, disgust]\nopen: [happiness, surprise]\ncalm: [happiness]\n"


def sentence(rng: np.random.Generator, feeling: str | None) -> str:
    words = [*rng.permutation(PLAIN)[:3], *([WORDS[feeling]] if feeling else [])]
    return " ".join(rng.permutation(words))


def corpus(root: Path, *, seed: int, sizes: dict[str, int], own: bool) -> Corpus:
    """Sentences spoken over noise by drawn-by-number faces; what is expressed stands in the words."""
    rng = np.random.default_rng(seed)
    root.mkdir()
    utterances = []
    for split, size in sizes.items():
        for number in range(size):
            name = f"{split}{number:03d}"
            feeling = None if rng.random() < 0.3 else list(WORDS)[int(rng.integers(4))]
            new = {
                "hostile": feeling in ("anger", "disgust"),
                "open": feeling in ("happiness", "surprise"),
                "calm": not feeling,
            }
            labels = {label: 1.0 for label, there in new.items() if there} if own else ({feeling: 1.0} if feeling else {})
            media = root / f"{split}{number // 20}.json"  # a file is read once for all its utterances
            media.write_text(json.dumps({"seed": number // 20, "seconds": 0.5}))
            utterances.append(
                Utterance(
                    id=name, corpus="made", media=str(media), speaker=f"{split}{number // 6}", split=split,
                    text=sentence(rng, feeling), labels=labels,
                )
            )  # fmt: skip
    emotions = LABELS if own else tuple(WORDS)
    return Corpus(name="made", emotions=emotions, utterances=tuple(utterances), root=root)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows four emotions, trained in seconds, and clips with three other labels, 200 to learn from."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "dataset"))
    from made_parts import made_parts

    from mesmer.config import RunSettings, TrainSettings
    from mesmer.training.run import train_model

    root = tmp_path_factory.mktemp("finetune")
    for name, seed, sizes, own in (
        ("old", 1, {"train": 120, "valid": 40}, False),
        ("data", 2, {"train": 200, "valid": 60, "test": 150}, True),
        ("mini", 3, {"train": 24, "valid": 16, "test": 16}, True),
    ):
        made = corpus(root / f"{name}_raw", seed=seed, sizes=sizes, own=own)
        prepare(made, root / name, settings=PrepareSettings(), workers=0, parts=made_parts)
    settings = RunSettings(
        model=ModelSettings(
            width=2, feature_width=8, dim=8, heads=2, layers=1, modality_dropout=0.3,
            text=TextSettings(width=32, layers=1, heads=2, max_tokens=12, vocabulary_size=80, positions="none"),
            sparse=SparseSettings(top_p=0.6, warm_epochs=1, backend="masked"),
        ),
        train=TrainSettings(
            learning_rate=5e-3, text_learning_rate_factor=1.0, batch_size=16, epochs=3, threads=1, branch_loss=1.0
        ),
    )  # fmt: skip
    train_model(settings=settings, data=root / "old", folder=root / "base")
    (root / "map.yaml").write_text(MAP)
    return root


def tune(place: Path, run: str, *more: str, data: str = "mini") -> int:
    words = ["--data", str(place / data), "--from", str(place / "base"), "--run", str(place / run), "--threads", "1"]
    return main(["finetune", *words, *more])


@pytest.fixture(scope="module")
def tuned(place: Path) -> dict[str, Any]:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert tune(place, "run", "--map", str(place / "map.yaml"), "--json", data="data") == 0
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def test_it_beats_the_mapping_and_the_trivial_answers_beyond_the_intervals(tuned: dict[str, Any]) -> None:
    new, *others = tuned["test"]
    assert [row["name"] for row in tuned["test"]] == [
        "new", "zero_shot", "zero_shot_fitted", "none", "all", "prior", "most_frequent",
    ]  # fmt: skip
    assert tuned["utterances"] == {"train": 200, "valid": 60, "test": 150}
    for row in others:
        assert new["intervals"]["f1"][0] > row["intervals"]["f1"][1], row["name"]
        assert row["difference_f1"]["interval"][0] > 0
    assert new["average"]["calibration_error"] < 0.15


def test_the_model_is_an_ordinary_one(place: Path, tuned: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(place / "run"), "--data", str(place / "data"), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    whole = table["rows"][0]["average"]["f1"]  # the whole network on the media, not heads on cached states
    assert whole == pytest.approx(tuned["test"][0]["average"]["f1"], abs=0.01)
    loaded, base = load_model(place / "run" / "model"), load_model(place / "base" / "model")
    assert loaded.model.settings.emotions == LABELS
    assert loaded.prepare == base.prepare
    assert loaded.extra["trained_on"] == ["made"]
    assert any(loaded.model.unsure_margins.values())
    for name, value in base.model.state_dict().items():
        if "head" not in name and not name.startswith("fusion"):
            assert torch.equal(loaded.model.state_dict()[name], value), name
    with wave.open(str(place / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((8000 * np.sin(np.arange(16000) / 20)).astype("<i2").tobytes())
    for words in (["predict"], ["analyze", "--out", str(place / "analyzed")]):
        assert main([*words, str(place / "tone.wav"), "--model", str(place / "run"), "--json"]) == 0
    assert main(["models", "pack", str(place / "run"), "--out", str(place / "packed"), "--trained-on", "synthetic"]) == 0
    before = weights(place, "run")  # its settings could be those of a training from nothing; it must not become one
    config = ["--config", str(place / "run" / "settings.yaml"), "--data", str(place / "data")]
    assert main(["train", *config, "--run", str(place / "run"), "--resume"]) == 2
    assert "was fine-tuned" in capsys.readouterr().err
    assert weights(place, "run") == before


def weights(place: Path, run: str) -> str:
    return sha256_file(place / run / "model" / "model.safetensors")


def test_the_same_seed_gives_the_same_bits_and_a_stop_changes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--map", str(place / "map.yaml"), "--epochs", "4"]
    monkeypatch.setattr(state_cache, "PIECE", 4)
    computed: list[int] = []
    real, stop_at = state_cache._compute, 10**9

    def counting(base: Any, batch: Any) -> Any:
        if len(computed) == stop_at:
            raise KeyboardInterrupt
        computed.append(len(batch))
        return real(base, batch)

    monkeypatch.setattr(state_cache, "_compute", counting)
    assert tune(place, "first", *options) == 0
    pieces = len(computed)
    assert pieces == (24 + 16 + 16) // 4
    computed.clear()
    stop_at = 9
    assert tune(place, "again", *options) == 130
    stop_at = 10**9
    capsys.readouterr()
    assert tune(place, "again", *options) == 2
    assert "a run is here already; add --resume" in capsys.readouterr().err
    assert tune(place, "again", *options, "--resume") == 0
    assert weights(place, "again") == weights(place, "first")
    assert pieces <= len(computed) < pieces + 9  # what was listed was not computed again
    out = capsys.readouterr().out
    for words in (
        "24 train, 16 valid, 16 test",
        "hostile = anger or disgust",
        "fine-tuned",
        "zero-shot mapping",
        "answer none",
    ):
        assert words in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith(("model:", "next:", "/")))
    before = len(computed)
    piece = next((place / "again" / "states").glob("valid-*.safetensors"))
    data = bytearray(piece.read_bytes())
    data[-1] ^= 1
    piece.write_bytes(data)  # a broken disk
    assert tune(place, "again", *options, "--resume") == 0
    assert len(computed) == before + 1
    assert weights(place, "again") == weights(place, "first")
    assert tune(place, "seeded", *options, "--seed", "1") == 0
    assert weights(place, "seeded") != weights(place, "first")


def test_names_alone_may_say_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(place, "unmapped", "--json", "--epochs", "1") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["map"] == {label: [] for label in LABELS}
    assert [row["name"] for row in told["test"]] == ["new", "none", "all", "prior", "most_frequent"]


def test_what_cannot_be_done_is_one_line(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = load_model(place / "base" / "model")
    prepared = replace(other.prepare, frame_interval_s=0.25)
    other.model.save_pretrained(tmp_path / "other", tokenizer=other.tokenizer, prepare=prepared)
    (tmp_path / "map.yaml").write_text("hostil: [anger]\n")
    here = ["--from", str(place / "base"), "--run", str(tmp_path / "x")]
    lines = {
        "--settings.frame_interval_s 0.25": ["--from", str(tmp_path / "other"), "--run", str(tmp_path / "x")],
        "did you mean 'hostile'": [*here, "--map", str(tmp_path / "map.yaml")],
        "this is not a run, and not empty": ["--from", str(place / "base"), "--run", str(place)],
        "learning_rate is -1": [*here, "--learning-rate", "-1"],
    }  # fmt: skip
    for told, words in lines.items():
        assert main(["finetune", "--data", str(place / "data"), *words]) == 2
        shown = capsys.readouterr().err
        assert told in shown
        assert shown.count("\n") == 1
    assert tune(place, "mine", "--epochs", "1") == 0
    capsys.readouterr()
    assert tune(place, "mine", "--epochs", "1", "--resume", data="data") == 2
    assert "this run was made from another model or other data" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_model_without_branches_is_refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mesmer.config import FeatureSettings

    settings = ModelSettings(name="lf_lstm", features=FeatureSettings(text_width=10), emotions=("a", "b"))
    tokenizer = train_tokenizer(["a b"], 64)
    model = build_model(settings)
    model.save_pretrained(tmp_path / "lstm", tokenizer=tokenizer, prepare=PrepareSettings())
    words = ["--data", str(place / "data"), "--from", str(tmp_path / "lstm"), "--run", str(tmp_path / "x")]
    assert main(["finetune", *words]) == 2
    assert "'lf_lstm' has no branches to keep; name a model of fe2e or mesm" in capsys.readouterr().err
