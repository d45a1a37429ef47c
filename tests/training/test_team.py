"""Several processes learn what one does from the same step: gradients, statistics and the lack of either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from forked import together
from numpy.typing import NDArray

from mesmer.config import SparseSettings, TextSettings, TrainSettings
from mesmer.dataset.batches import Step
from mesmer.errors import MesmerError
from mesmer.models.registry import MODELS, build_model
from mesmer.nn.batch_norm import BatchNorm, share_statistics
from mesmer.records import Batch
from mesmer.training.loss import positive_weights
from mesmer.training.step import take_step
from mesmer.training.team import Team
from model_batches import pick, random_batch, small_settings

ALL, WORDS, FACE, SOUND = (True, True, True), (True, False, False), (False, False, True), (False, True, False)

STEPS: dict[str, list[tuple[bool, bool, bool]]] = {
    "all have all": [ALL] * 6,
    "uneven shares, some lack some": [ALL, WORDS, FACE, ALL, SOUND, ALL, ALL],
    "the second has neither sound nor picture": [ALL, ALL, FACE, WORDS, WORDS],
    "nobody has sound": [FACE, (True, False, True), WORDS, FACE],
    "one utterance: the second has nothing": [ALL],
}

Found = dict[str, NDArray[Any] | None]


def cut(batch: Batch, parts: int, share: int, shares: int) -> Step:
    """The step as the loader cuts it."""
    chosen = [np.array_split(part, shares)[share].tolist() for part in np.array_split(np.arange(len(batch)), parts)]
    return Step(parts=tuple(pick(batch, rows) if rows else None for rows in chosen), utterances=len(batch))


def learn(name: str, parts: int) -> list[Found]:
    """Take steps without moving; return after each the gradients, and the statistics of batch norm."""
    team = Team()
    settings = small_settings(
        name,
        sparse=SparseSettings(top_p=0.6),
        dropout=0.0,
        modality_dropout=0.0,
        text=TextSettings(max_tokens=16, vocabulary_size=60, width=16, layers=1, heads=2, dropout=0.0),
    )
    torch.manual_seed(0)
    model = build_model(settings, tokenizer_size=60).double().train()
    if team.size > 1:
        share_statistics(model)
    still = torch.optim.SGD([{"params": list(model.parameters()), "full_lr": 0.0}], lr=0.0)
    found: list[Found] = []
    for number, present in enumerate(STEPS.values()):
        batch = random_batch(present, seed=number)
        assert batch.labels is not None
        facts, _ = take_step(
            cut(replace(batch, chunks=batch.chunks.double()), parts, team.rank, team.size),
            number=number + 1,
            model=model,
            optimizer=still,
            positive_weight=positive_weights(batch.labels.numpy()),
            settings=TrainSettings(branch_loss=0.5, gradient_clip=0.0),
            rate=1.0,
            team=team,
        )
        now: Found = {
            f"{key}.grad": None if p.grad is None else p.grad.numpy().copy() for key, p in model.named_parameters()
        }
        now |= {key: value.numpy().copy() for key, value in model.named_buffers()}
        now["loss"] = np.array(facts["loss"])
        found.append(now)
    return found


@pytest.mark.parametrize(("name", "parts"), [("fe2e", 1), ("mesm", 2)])
def test_two_processes_learn_what_one_does(name: str, parts: int) -> None:
    """In float64: in float32, rounding in another order moves a gradient behind many layers of ReLU by more than 1e-6."""
    alone = learn(name, parts)
    first, second = together(2, learn, name, parts)
    for title, one, two, other in zip(STEPS, alone, first, second, strict=True):
        assert one.keys() == two.keys()
        for key, expected in one.items():
            got = two[key]
            if expected is None or got is None:
                assert expected is None, (title, key)
                assert got is None, (title, key)
                continue
            assert np.array_equal(got, other[key]), (title, key)  # both processes step the same way, to the bit
            assert np.abs(got - expected).max(initial=0.0) <= 1e-9, (title, key)


def disagree() -> list[str]:
    team = Team()

    def refuse() -> None:
        raise MesmerError("no room", field=f"process {team.rank}")

    with pytest.raises(MesmerError, match="process 0: no room"):
        team.tell(refuse)
    told = [str(team.tell(lambda: team.rank)), str(team.gather(team.rank))]
    torch.manual_seed(7)
    team.draw_apart(7)
    return [*told, str(torch.rand(1).item())]


def test_the_first_process_speaks_for_all_and_each_draws_for_itself() -> None:
    first, second = together(2, disagree)
    assert first[:2] == second[:2] == ["0", "[0, 1]"]
    torch.manual_seed(7)
    assert first[2] == str(torch.rand(1).item()) != second[2]


def not_finite() -> str:
    team = Team()
    settings = small_settings("fe2e", dropout=0.0, modality_dropout=0.0)
    torch.manual_seed(0)
    model = build_model(settings, tokenizer_size=60).train()
    share_statistics(model)
    batch = random_batch([WORDS] * 4)
    with torch.no_grad():
        model.text_encoder.token_embedding.weight[batch.tokens[3, 1]] = float("nan")
    with pytest.raises(MesmerError) as caught:
        take_step(
            cut(batch, 1, team.rank, team.size),
            number=5,
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.0),
            positive_weight=None,
            settings=TrainSettings(),
            rate=1.0,
            team=team,
        )
    return str(caught.value)


def test_a_loss_that_is_not_finite_in_one_process_is_told_by_all() -> None:
    first, second = together(2, not_finite)
    assert first == second
    assert first.startswith("step 5: the loss is not finite with utterances u")
    assert "u3" in first


def test_every_batch_norm_of_every_model_can_be_shared() -> None:
    for name in MODELS:
        model = build_model(small_settings(name), tokenizer_size=60)
        norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
        assert all(isinstance(norm, BatchNorm) for norm in norms), name
