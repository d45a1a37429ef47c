"""One step of training: losses part by part, their gradient, and the optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mesmer.config import TrainSettings
from mesmer.dataset.batches import Step
from mesmer.errors import DataError, MesmerError
from mesmer.models.base import EmotionModel
from mesmer.nn.batch_norm import stand_in
from mesmer.records import Batch
from mesmer.training.loss import utterance_losses
from mesmer.training.optimizer import clip_gradient, set_rate
from mesmer.training.team import Team


def take_step(
    step: Step,
    *,
    number: int,
    model: EmotionModel,
    optimizer: torch.optim.Optimizer,
    positive_weight: Tensor | None,
    settings: TrainSettings,
    rate: float,
    team: Team,
    wish: bool = False,
) -> tuple[dict[str, float], bool]:
    """Take one optimizer step and return its facts (``loss``, ``learning_rate``, ``gradient_norm``) and the team's wish.

    The loss is the mean over all utterances of the step, whatever parts and processes they are in.

    Args:
        number: of the step, for messages.
        rate: factor on the learning rates.
        wish: something that any process may want of all of them after this step; it travels with the loss.

    Raises:
        MesmerError: loss, gradient or sound is not finite; names the step and the utterances.
        DataError: an utterance has no labels.
    """
    optimizer.zero_grad(set_to_none=True)
    own_loss, culprits = 0.0, list[str]()
    for batch in step.parts:
        if batch is None:  # the others have something, and wait for this process where statistics are shared
            nothing = stand_in(model)
            if nothing is not None and nothing.requires_grad:
                nothing.backward()
            continue
        batch = batch.to(team.device)
        losses = _losses(batch, number, model=model, positive_weight=positive_weight, settings=settings, team=team)
        loss = losses.sum() / step.utterances
        own_loss += loss.item()
        culprits += [name for name, one in zip(batch.ids, losses.tolist(), strict=True) if not math.isfinite(one)]
        if team.size == 1 and not math.isfinite(own_loss):
            break
        loss.backward()
    total, wishes = team.add_up(model.parameters(), [own_loss, float(wish)])
    if not math.isfinite(total):
        raise _not_finite("the loss", number, [name for names in team.gather(culprits) for name in names])
    norm = clip_gradient(model.parameters(), settings.gradient_clip)
    if not math.isfinite(norm.item()):
        ids = [name for batch in step.parts if batch is not None for name in batch.ids]
        raise _not_finite("the gradient", number, [name for names in team.gather(ids) for name in names])
    set_rate(optimizer, rate)
    optimizer.step()
    facts = {"loss": total, "learning_rate": settings.learning_rate * rate, "gradient_norm": norm.item()}
    return facts, wishes > 0


def _losses(
    batch: Batch,
    number: int,
    *,
    model: EmotionModel,
    positive_weight: Tensor | None,
    settings: TrainSettings,
    team: Team,
) -> Tensor:
    """Return the loss of every utterance, float32 (B,)."""
    if batch.labels is None:
        raise DataError(
            "an utterance has no labels", field=f"utterances {names_of(batch.ids)}", remedy="label the train split"
        )
    _check_inputs(batch, number)
    try:
        with team.autocast():
            output = model(batch)
    except MesmerError as error:
        raise MesmerError(f"{error.message} (utterances {names_of(batch.ids)})", field=f"step {number}") from error
    return utterance_losses(
        output,
        batch.labels,
        positive_weight=positive_weight,
        branch_loss=settings.branch_loss,
        kind=settings.loss,
        label_smoothing=settings.label_smoothing,
    )


def _check_inputs(batch: Batch, number: int) -> None:
    """Refuse sound that is not finite (faces are bytes and always are); it would be a loss that is not, a little later."""
    if bool(torch.isfinite(batch.chunks).all()):
        return
    owners = torch.arange(len(batch), device=batch.chunks.device).repeat_interleave(batch.num_chunks)
    bad = owners[~torch.isfinite(batch.chunks).flatten(1).all(1)].unique().tolist()
    raise _not_finite("the sound", number, [batch.ids[row] for row in bad])


def _not_finite(what: str, number: int, ids: Sequence[str]) -> MesmerError:
    return MesmerError(
        f"{what} is not finite with utterances {names_of(ids)}",
        field=f"step {number}",
        remedy="lower train.learning_rate, or look at these utterances; what was saved before is kept",
    )


def names_of(ids: Sequence[str], most: int = 5) -> str:
    """Return a few ids as words."""
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")
