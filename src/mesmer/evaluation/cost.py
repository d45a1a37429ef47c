"""What an answer costs: multiply-adds counted, peak memory and wall-clock measured beside them.

One multiply-add is two FLOPs; every number here is in multiply-adds. Three kinds of parts are counted in two ways:

- the convolution branches count themselves from their active sites (:mod:`mesmer.nn.sparse_block`): products with an
  absent neighbour are not counted, and not executed by the compiled kernel. Where a block computes masked-dense because
  that is faster, or the stem uses Winograd's minimal filtering, the machine executes another number; the count stays that
  of the direct algorithm, so that it is a property of the model and its input, and wall-clock stands beside it;
- models on hand-crafted features count themselves whole, from the lengths of their sequences; they skip nothing. What the
  features cost is not in it;
- everything else (text encoder, Transformers over time, heads) is counted by torch's ``FlopCounterMode``, each utterance
  on its own. It sees matrix products and convolutions; element-wise work (softmax, ReLU, normalisation) counts nothing.

Shape letters: B utterances.
"""

from __future__ import annotations

import contextlib
import ctypes
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from mesmer.errors import DataError
from mesmer.models.feature_model import FeatureModel
from mesmer.nn.packing import step_owners
from mesmer.nn.vgg import ConvolutionBranch
from mesmer.records import Batch, FeatureSequence, ModelOutput


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """Cost of one batch of B utterances.

    Attributes:
        ids: of the utterances.
        multiply_adds: B numbers, executed in the convolution branches and their attention, or in the whole of a model on
            hand-crafted features.
        dense_multiply_adds: B numbers, the same if nothing were skipped.
        other_multiply_adds: B numbers, of everything else, each utterance on its own (no padding).
        seconds_of_input: B durations.
        wall_s: median over the repeats, of the whole batch.
        peak_memory_bytes: highest memory use of the call above that before it; None where the system does not tell.
        device, threads: where it was measured.
    """

    ids: tuple[str, ...]
    multiply_adds: tuple[int, ...]
    dense_multiply_adds: tuple[int, ...]
    other_multiply_adds: tuple[int, ...]
    seconds_of_input: tuple[float, ...]
    wall_s: float
    peak_memory_bytes: int | None
    device: str
    threads: int

    @property
    def multiply_adds_per_second(self) -> float:
        """All multiply-adds executed for a second of input, over the whole batch."""
        return (sum(self.multiply_adds) + sum(self.other_multiply_adds)) / sum(self.seconds_of_input)

    @property
    def dense_multiply_adds_per_second(self) -> float:
        """The same if nothing were skipped."""
        return (sum(self.dense_multiply_adds) + sum(self.other_multiply_adds)) / sum(self.seconds_of_input)

    @property
    def wall_s_per_second(self) -> float:
        """Computing time for a second of input."""
        return self.wall_s / sum(self.seconds_of_input)

    def to_json(self) -> dict[str, Any]:
        """Return plain types, ready for ``json.dumps``."""
        names = ("multiply_adds_per_second", "dense_multiply_adds_per_second", "wall_s_per_second")
        return {**self.__dict__, **{name: getattr(self, name) for name in names}}


def measure_cost(*, model: nn.Module, batch: Batch, seconds_of_input: Sequence[float], repeats: int = 5) -> CostReport:
    """Run ``model`` on ``batch`` and return what it costs. The model's mode is put back afterwards.

    Args:
        model: a model of :mod:`mesmer.models` (or a folded copy), on the batch's device.
        seconds_of_input: duration of each utterance, above 0.
        repeats: timed runs, after one that is not timed.

    Raises:
        DataError: the durations do not fit the batch.
    """
    if len(seconds_of_input) != len(batch) or not all(seconds > 0 for seconds in seconds_of_input):
        raise DataError("one duration above 0 is needed for each utterance", field="seconds_of_input")
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            output: ModelOutput = model(batch)
            other = tuple(_other_multiply_adds(model, one_utterance(batch, b)) for b in range(len(batch)))
            with peak_memory(batch.faces.device) as peak:
                model(batch)
            wall_s = statistics.median(_timed(lambda: model(batch), batch.faces.device) for _ in range(repeats))
    finally:
        model.train(was_training)
    return CostReport(
        ids=batch.ids,
        multiply_adds=tuple(output.multiply_adds.tolist()),
        dense_multiply_adds=tuple(output.dense_multiply_adds.tolist()),
        other_multiply_adds=other,
        seconds_of_input=tuple(float(seconds) for seconds in seconds_of_input),
        wall_s=wall_s,
        peak_memory_bytes=peak.bytes,
        device=str(batch.faces.device),
        threads=torch.get_num_threads(),
    )


def count_multiply_adds(model: nn.Module, run: Callable[[], Any], *, leave_out: tuple[type[nn.Module], ...] = ()) -> int:
    """Return the multiply-adds of matrix products and convolutions while ``run()`` runs ``model``, without gradient.

    ``FlopCounterMode`` misses what does not pass it as a plain operator, so those ways are closed for the time: the fused
    Transformer layer and fused attention give way to the products they consist of, and recurrent layers are counted from
    their sizes and the lengths of their sequences.

    Args:
        leave_out: modules of these types are not counted, with all they hold.
    """
    counter = FlopCounterMode(display=False)
    aside = _SetAside(counter, leave_out)
    hooks = [hook for module in model.modules() for hook in aside.watch(module)]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    return (counter.get_total_flops() - aside.flops) // 2 + aside.recurrent


class _SetAside:
    """What the counter saw inside modules left out, and inside recurrent layers, which are counted here instead."""

    def __init__(self, counter: FlopCounterMode, leave_out: tuple[type[nn.Module], ...]) -> None:
        self.counter, self.leave_out = counter, leave_out
        self.flops = self.recurrent = 0
        self._depth = self._before = 0

    def watch(self, module: nn.Module) -> list[RemovableHandle]:
        if not isinstance(module, (*self.leave_out, nn.RNNBase)):
            return []
        return [module.register_forward_pre_hook(self._enter), module.register_forward_hook(self._leave)]

    def _enter(self, module: nn.Module, args: Any) -> None:
        if self._depth == 0:
            self._before = self.counter.get_total_flops()
            if isinstance(module, nn.RNNBase) and not isinstance(module, self.leave_out):
                self.recurrent += _recurrent_multiply_adds(module, args[0])
        self._depth += 1

    def _leave(self, _module: nn.Module, _args: Any, _out: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.flops += self.counter.get_total_flops() - self._before


def _other_multiply_adds(model: nn.Module, utterance: Batch) -> int:
    return count_multiply_adds(model, lambda: model(utterance), leave_out=(ConvolutionBranch, FeatureModel))


def _recurrent_multiply_adds(layer: nn.RNNBase, sequence: Tensor | PackedSequence) -> int:
    """Products of an RNN, GRU or LSTM: each gate of each layer and direction reads its input and its state at each step."""
    data = sequence.data if isinstance(sequence, PackedSequence) else sequence
    steps = data.numel() // layer.input_size
    gates = {"LSTM": 4, "GRU": 3}.get(layer.mode, 1)
    directions = 2 if layer.bidirectional else 1
    state = layer.proj_size or layer.hidden_size
    total = 0
    for level in range(layer.num_layers):
        read = layer.input_size if level == 0 else state * directions
        total += directions * (gates * layer.hidden_size * (read + state) + layer.proj_size * layer.hidden_size)
    return steps * total


def one_utterance(batch: Batch, index: int) -> Batch:
    """Return the batch of utterance ``index`` alone, its tokens without padding."""
    faces = batch.faces[step_owners(batch.num_faces) == index]
    chunks = batch.chunks[step_owners(batch.num_chunks) == index]
    rows = slice(index, index + 1)
    columns = batch.token_mask[index].nonzero()
    length = int(columns.max()) + 1 if len(columns) else batch.tokens.shape[1]
    return replace(
        batch,
        ids=batch.ids[rows],
        faces=faces,
        num_faces=batch.num_faces[rows],
        chunks=chunks,
        num_chunks=batch.num_chunks[rows],
        tokens=batch.tokens[rows, :length],
        token_mask=batch.token_mask[rows, :length],
        present=batch.present[rows],
        labels=None if batch.labels is None else batch.labels[rows],
        features=None if batch.features is None else {name: _one(part, index) for name, part in batch.features.items()},
    )


def _one(sequence: FeatureSequence, index: int) -> FeatureSequence:
    return FeatureSequence(
        values=sequence.values[step_owners(sequence.lengths) == index], lengths=sequence.lengths[index : index + 1]
    )


class PeakMemory:
    """Result of :func:`peak_memory`; ``bytes`` is None until the block ends, and where the system does not tell."""

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory(device: torch.device | str = "cpu") -> Iterator[PeakMemory]:
    """Measure the highest memory use inside the block, above that at its start: of the GPU, or of this process (Linux)."""
    peak = PeakMemory()
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
        return
    start = _reset_resident_peak()
    yield peak
    if start is not None:
        peak.bytes = max(_status_bytes("VmHWM") - start, 0)


def _reset_resident_peak() -> int | None:
    """Set the process's own high-water mark to its present use and return that; None where this cannot be done."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):  # give back what the allocator keeps, or it would hide the use
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _timed(run: Callable[[], Any], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
