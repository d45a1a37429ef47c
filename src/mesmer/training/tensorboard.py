"""Training told to TensorBoard, if asked for; the only place that imports it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mesmer.errors import DependencyError
from mesmer.storage.atomic import plain_error

STEP_FACTS = ("loss", "learning_rate", "gradient_norm")
EPOCH_FACTS = ("train_loss", "top_p", "utterances_per_s")


class TensorBoardLog:
    """Writes ``step/...`` after every step and ``epoch/...`` after every epoch, both against the number of steps.

    Args:
        folder: where its event files lie.
        done_steps: of an earlier part; what that logged of later steps is hidden.

    Raises:
        DependencyError: TensorBoard is not installed.
        MesmerError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, done_steps: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise DependencyError(
                "TensorBoard is not installed", field="train.tensorboard", remedy="pip install 'mesmer-emotion[tracking]'"
            ) from None
        try:
            self._writer = SummaryWriter(str(folder), purge_step=done_steps + 1 if done_steps else None)
        except OSError as error:
            raise plain_error(error, folder) from error

    def step(self, facts: dict[str, Any]) -> None:
        """Log one step."""
        for name in STEP_FACTS:
            self._writer.add_scalar(f"step/{name}", facts[name], facts["step"])

    def epoch(self, facts: dict[str, Any]) -> None:
        """Log one epoch with its validation."""
        for name, value in facts.items():
            if name in EPOCH_FACTS or name.startswith("valid_"):
                self._writer.add_scalar(f"epoch/{name}", value, facts["step"])
        self._writer.flush()

    def close(self) -> None:
        """Write out what is left."""
        self._writer.close()
