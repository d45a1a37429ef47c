"""The processes that train one model together: one on a laptop, several under ``torchrun`` (gloo on CPUs, NCCL on GPUs).

Every process holds the whole model and reads its share of every step. Gradients are added up once a step, in one piece and
by hand: the loss is divided by the step's utterances before, so the sum is the gradient of the whole step, however uneven
the shares. (An average over processes, as usual, is right only for even ones; and processes that skip a branch, because
none of their utterances has a picture, would leave it waiting.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn

from mesmer.errors import MesmerError

LONGEST_WAIT = timedelta(hours=2)
"""The others wait while the first process validates and saves; a process that died is noticed by torchrun, not by this."""

T = TypeVar("T")


class Team:
    """One process, seen from within, and those it trains with.

    Args:
        precision: ``fp32``, or ``bf16`` for products in bfloat16 within :meth:`autocast`.

    Attributes:
        device: where this process computes: its GPU if there is one, else the CPU.
        rank: number of this process; 0 is the first, which alone validates, writes and reports.
        size: how many there are.
    """

    def __init__(self, *, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        AcceleratorState._reset_state()  # an earlier training in this process may have had another precision
        self._accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="no" if precision == "fp32" else precision,
            kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST_WAIT)],
        )
        self.device: torch.device = self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.size: int = self._accelerator.num_processes

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which a model computes in the team's precision."""
        return self._accelerator.autocast()

    def tell(self, find_out: Callable[[], T]) -> T:
        """Let the first process find something out, and return its answer, or raise its MesmerError, in every process."""
        if self.size == 1:
            return find_out()
        told: list[Any] = [None, None]
        if self.is_first:
            try:
                told[0] = find_out()
            except MesmerError as error:
                told[1] = error
        dist.broadcast_object_list(told)
        if told[1] is not None:
            raise told[1]
        return told[0]

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, in their order, in every process."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def add_up(self, parameters: Iterable[nn.Parameter], numbers: Sequence[float]) -> list[float]:
        """Add up gradients and a few numbers over all processes: the gradients in place, the numbers returned.

        A parameter that no process has a gradient for stays without one.
        """
        if self.size == 1:
            return list(numbers)
        learning = [parameter for parameter in parameters if parameter.requires_grad]
        has = torch.tensor([float(p.grad is not None) for p in learning], dtype=torch.float64, device=self.device)
        few = torch.cat([has, has.new_tensor(numbers)])
        dist.all_reduce(few)
        touched = [p for p, count in zip(learning, few.tolist(), strict=False) if count]
        if touched:
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in touched])
            dist.all_reduce(flat)
            for parameter, gradient in zip(touched, flat.split([p.numel() for p in touched]), strict=True):
                parameter.grad = gradient.view_as(parameter)
        return few[len(learning) :].tolist()

    def draw_apart(self, seed: int) -> None:
        """Give every process but the first draws of its own; the first draws as if it were alone."""
        if self.rank:
            torch.manual_seed(seed + 1_000_003 * self.rank)


def is_first() -> bool:
    """Whether this process is the first of its team, or alone."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


def was_restarted() -> bool:
    """Whether ``torchrun`` started this process anew after one of the team had died."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") not in ("", "0")


def disband() -> None:
    """Leave the team at the end of the program, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def random_state() -> dict[str, Tensor]:
    """Return torch's random state of this process, of the CPU and of its GPU."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    """Put back what :func:`random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
