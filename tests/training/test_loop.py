"""The loop learns, stops, keeps the best, tells of what is not finite, and goes on after a break as if there were none."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mesmer.config import TrainSettings
from mesmer.errors import DataError, MesmerError
from mesmer.models.base import EmotionModel
from mesmer.models.registry import build_model
from mesmer.training.loop import train
from mesmer.training.loss import positive_weights
from mesmer.training.optimizer import clip_gradient, make_optimizer
from mesmer.training.progress import JsonLog
from mesmer.training.state import Progress, load_progress, load_state, save_state
from mesmer.training.team import Team

FAST = TrainSettings(
    learning_rate=1e-2,
    text_learning_rate_factor=1.0,
    epochs=4,
    patience=4,
    branch_loss=0.5,
    warmup_share=0.1,
    schedule="cosine",
)


class Notes:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []

    def step(self, facts: dict[str, Any]) -> None:
        self.steps.append(dict(facts))

    def epoch(self, facts: dict[str, Any]) -> None:
        self.epochs.append(dict(facts))

    def close(self) -> None:
        pass


def run(
    model: EmotionModel, toy_train: Any, toy_valid: Any, settings: TrainSettings, **options: Any
) -> tuple[Progress, Notes]:
    notes = Notes()
    progress = train(
        model=model,
        optimizer=options.pop("optimizer", None) or make_optimizer(model, settings),
        train_steps=toy_train,
        valid_batches=toy_valid,
        positive_weight=positive_weights(toy_train.labels),
        settings=settings,
        progress=options.pop("progress", None) or Progress(),
        team=Team(),
        listeners=(notes,),
        **{"save_best": lambda: None, "save_progress": lambda now: None, **options},
    )
    return progress, notes


def test_it_learns_and_plans_are_followed(toy_model: EmotionModel, toy_train: Any, toy_valid: Any) -> None:
    progress, notes = run(toy_model, toy_train, toy_valid, FAST)
    assert progress.finished
    assert progress.epoch == 4
    assert notes.epochs[-1]["train_loss"] < 0.9 * notes.epochs[0]["train_loss"]
    assert [round(epoch["top_p"], 6) for epoch in notes.epochs] == [1.0, 0.8, 0.6, 0.6]
    assert toy_model.top_p == 0.6
    assert [step["step"] for step in notes.steps] == list(range(1, 21))
    rates = [step["learning_rate"] for step in notes.steps]
    assert rates[1] == pytest.approx(1e-2)
    assert rates[-1] < rates[1]
    assert progress.history[-1]["thresholds"] == toy_model.thresholds


def test_the_best_is_saved_when_it_is_the_best_and_training_stops(
    toy_model: EmotionModel, toy_train: Any, toy_valid: Any
) -> None:
    saved: list[dict[str, float]] = []
    still = TrainSettings(learning_rate=1e-12, epochs=30, patience=2)
    progress, notes = run(toy_model, toy_train, toy_valid, still, save_best=lambda: saved.append(toy_model.thresholds))
    assert len(saved) == sum(epoch["best_epoch"] == epoch["epoch"] for epoch in notes.epochs)
    assert progress.epoch == progress.best_epoch + 2 < 30
    assert progress.best_f1 == max(epoch["valid_f1"] for epoch in notes.epochs)
    assert saved[-1] == progress.history[progress.best_epoch - 1]["thresholds"]


@pytest.mark.parametrize("branch_loss", [0.0, 0.5])
def test_a_loss_that_is_not_finite_stops_at_once_and_names_the_utterance(
    toy_model: EmotionModel, toy_train: Any, toy_valid: Any, branch_loss: float
) -> None:
    plain = build_model(replace(toy_model.settings, name="fe2e", modality_dropout=0.0), tokenizer_size=20)
    toy_train._tokens[17, 0] = 0  # a token that nobody else says, with a broken embedding
    with torch.no_grad():
        plain.text_encoder.token_embedding.weight[0] = float("nan")
    step = next(i for i, batch in enumerate(toy_train.epoch(0), start=1) if "u017" in batch.ids)
    with pytest.raises(MesmerError, match=rf"^step {step}: the loss is not finite with utterances u017;"):
        run(plain, toy_train, toy_valid, TrainSettings(learning_rate=1e-3, branch_loss=branch_loss))


def test_sound_that_is_not_finite_is_named(toy_model: EmotionModel, toy_train: Any, toy_valid: Any) -> None:
    toy_train.poison = "u017"
    step = next(i for i, batch in enumerate(toy_train.epoch(0), start=1) if "u017" in batch.ids)
    with pytest.raises(MesmerError, match=rf"^step {step}: the sound is not finite with utterances u017;"):
        run(toy_model, toy_train, toy_valid, FAST)


def test_weights_that_went_wrong_are_told_before_they_are_saved(
    toy_model: EmotionModel, toy_train: Any, toy_valid: Any
) -> None:
    saved: list[int] = []
    with pytest.raises(MesmerError, match=r"^step \d+: .*utterances u\d\d\d, "):
        run(toy_model, toy_train, toy_valid, replace(FAST, learning_rate=1e30), save_best=lambda: saved.append(1))
    assert not saved


def test_unlabelled_or_empty_splits_are_refused(toy_model: EmotionModel, toy_train: Any, toy_valid: Any) -> None:
    class Unlabelled(type(toy_train)):  # type: ignore[misc]
        def epoch(self, number: int) -> Any:
            return (replace(batch, labels=None) for batch in super().epoch(number))

    with pytest.raises(DataError, match="no labels"):
        run(toy_model, Unlabelled(size=8, batch_size=4, seed=1), toy_valid, FAST)
    with pytest.raises(DataError, match="split is empty"):
        run(toy_model, type(toy_train)(size=0, batch_size=4, seed=1), toy_valid, FAST)


def test_stopped_and_resumed_is_bit_equal_to_never_stopped(
    toy_model: EmotionModel, toy_train: Any, toy_valid: Any, tmp_path: Path
) -> None:
    start = copy.deepcopy(toy_model)
    torch.manual_seed(5)
    whole, _ = run(toy_model, toy_train, toy_valid, FAST)

    first = copy.deepcopy(start)
    torch.manual_seed(5)
    optimizer = make_optimizer(first, FAST)

    class PulledPlug(Exception):
        pass

    def save(now: Progress) -> None:
        save_state(tmp_path, progress=now, model=first, optimizer=optimizer)
        if now.epoch == 2:
            raise PulledPlug

    with pytest.raises(PulledPlug):
        run(first, toy_train, toy_valid, FAST, optimizer=optimizer, save_progress=save)

    second = copy.deepcopy(start)
    optimizer = make_optimizer(second, FAST)
    torch.manual_seed(999)  # another process: its random state is none of ours
    progress = load_progress(tmp_path)
    assert progress is not None
    load_state(tmp_path, model=second, optimizer=optimizer)
    resumed, _ = run(second, toy_train, toy_valid, FAST, optimizer=optimizer, progress=progress)

    assert resumed == whole
    ours, theirs = second.state_dict(), toy_model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert second.thresholds == toy_model.thresholds
    kept = sorted(path.name for path in tmp_path.glob("step-*"))
    assert kept == ["step-00000005-0001.safetensors", "step-00000010-0002.safetensors"]


def test_text_rate_and_weight_decay(toy_model: EmotionModel) -> None:
    settings = TrainSettings(
        learning_rate=1e-3, text_learning_rate_factor=0.1, attention_learning_rate_factor=5.0, weight_decay=0.2
    )
    optimizer = make_optimizer(toy_model, settings)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert len(of) == sum(1 for p in toy_model.parameters() if p.requires_grad)
    for name, parameter in toy_model.named_parameters():
        group = of[id(parameter)]
        factor = 0.1 if name.startswith("text_encoder.") else 5.0 if ".attention." in name else 1.0
        assert group["lr"] == pytest.approx(factor * 1e-3), name
        assert group["weight_decay"] == (0.2 if parameter.ndim > 1 else 0.0), name


def test_the_gradient_is_scaled_down_to_its_bound() -> None:
    def gradients(norm: float) -> list[torch.nn.Parameter]:
        parts = [
            torch.nn.Parameter(torch.zeros(3)),
            torch.nn.Parameter(torch.zeros(2, 2)),
            torch.nn.Parameter(torch.zeros(1)),
        ]
        for part in parts[:2]:  # the last has none
            part.grad = torch.full_like(part, norm / 7**0.5)
        return parts

    for norm, bound, after in ((10.0, 2.0, 2.0), (1.0, 2.0, 1.0), (10.0, 0.0, 10.0)):
        parts = gradients(norm)
        assert float(clip_gradient(parts, bound)) == pytest.approx(norm)
        total = sum(float(part.grad.square().sum()) for part in parts if part.grad is not None) ** 0.5
        assert total == pytest.approx(after, rel=1e-5)


def test_the_log_keeps_what_was_saved_and_drops_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonLog(path)
    log.step({"step": 1})
    kept = log.size_bytes
    log.step({"step": 2})
    log.close()
    again = JsonLog(path, keep_bytes=kept)
    assert again.size_bytes == kept
    again.step({"step": 2, "again": True})
    again.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["event"], line["step"], line.get("again")) for line in lines] == [("step", 1, None), ("step", 2, True)]
