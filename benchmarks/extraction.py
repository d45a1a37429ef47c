"""How fast are the sparse blocks? One convolution branch, dense and sparse, side by side; prints and saves a table.

    python benchmarks/extraction.py --quick                     # within 5 minutes
    python benchmarks/extraction.py --json rows.json            # everything; an hour or two
    python benchmarks/extraction.py --model RUN --data PREPARED # p from 0.1 to 1.0 on trained weights and real clips

Within a case all variants run in turn, in a new order each round, and the median over the rounds counts. Attention,
nucleus, neighbour tables and pooling are inside the time. A ratio is the time of the best of the dense variants (eager;
batch norm folded, channels-last; compiled) of the same type (float32, bfloat16) divided by the row's time. "dense + own
stem" runs a dense trunk behind this project's compiled stem; it is shown, and no ratio is taken against it. A training
step is forward, backward and Adam.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mesmer.config import SparseSettings
from mesmer.nn.fold import fold_for_inference
from mesmer.nn.native import native_kernels
from mesmer.nn.nucleus import nucleus
from mesmer.nn.sparse_trunk import SparseTrunk
from mesmer.nn.vgg import FACE_CENTRE, FACE_SCALE, ConvolutionBranch, DenseTrunk

MAPS_PER_UTTERANCE = {"visual": 9, "audio": 11}  # of a 4.5 s clip
SHAPES = {"visual": (3, 48, 48), "audio": (1, 128, 32)}
QUERY_WIDTH = 128
DENSE = ("dense eager", "dense folded channels_last", "dense compiled")
ROUNDS = 7


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison: how many utterances, how many threads, and which sites are active."""

    mode: str
    utterances: int
    threads: int
    sites: str  # "clustered", "random" (forced, at this density), or "p" (chosen by the attention)
    level: float
    bfloat16: bool = True
    compile: bool = True


_compiled: dict[tuple[str, int], Any] = {}  # (mode, threads) -> the dense branch: compiling takes longer than measuring


def compiled(branch: ConvolutionBranch, case: Case) -> Any:
    key = case.mode, case.threads
    if key not in _compiled:
        torch._dynamo.reset()
        _compiled[key] = torch.compile(copy.deepcopy(branch))
    return _compiled[key]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: a sparse branch, its dense twin, and input to feed them."""

    modality: str
    weights: str
    sparse: ConvolutionBranch
    dense: ConvolutionBranch
    maps: Tensor
    query: Tensor

    def inputs(self, utterances: int) -> tuple[Tensor, Tensor]:
        wanted = torch.arange(utterances * MAPS_PER_UTTERANCE[self.modality]) % len(self.maps)
        return self.maps[wanted], self.query[wanted]


def untrained_subject(modality: str) -> Subject:
    """Published sizes, salient start, batch norms that know their input; smooth random input (noise would say nothing)."""
    torch.manual_seed(0)
    channels, height, width = SHAPES[modality]
    coarse = torch.randn(64, channels, height // 8, width // 8)
    maps = F.interpolate(coarse, (height, width), mode="bicubic") + 0.1 * torch.randn(64, channels, height, width)
    maps = (maps * 50 + FACE_CENTRE).clamp(0, 255).to(torch.uint8) if modality == "visual" else maps
    query = torch.randn(64, QUERY_WIDTH)
    trunk = SparseTrunk(width=64, query_width=QUERY_WIDTH, settings=SparseSettings())
    scale = {"centre": FACE_CENTRE, "scale": FACE_SCALE} if modality == "visual" else {}
    sparse = ConvolutionBranch(
        in_channels=channels, height=height, width=width, stem_width=64, trunk=trunk, feature_width=1024, dim=64,
        dropout=0.1, **scale,
    )  # fmt: skip
    with torch.no_grad():
        for _ in range(3):
            sparse.train()(maps, query)
    return Subject(
        modality=modality, weights="untrained", sparse=sparse.eval(), dense=dense_twin(sparse), maps=maps, query=query
    )


def trained_subject(modality: str, model: str, data: str) -> Subject:
    """The branch of a trained MESM, and the maps and queries it meets in the test split of a prepared dataset."""
    from mesmer.dataset.batches import BatchLoader
    from mesmer.dataset.prepared import PreparedDataset
    from mesmer.models.loading import load_model

    loaded = load_model(model)
    settings = loaded.model.settings
    split = PreparedDataset.open(data, settings=loaded.prepare).split("test")
    loader = BatchLoader(
        split, tokenizer=loaded.tokenizer, mel=settings.mel, max_tokens=settings.text.max_tokens, batch_size=16,
        shuffle=False, seed=0,
    )  # fmt: skip
    branch = getattr(loaded.model, modality).convolution
    met: list[tuple[Tensor, Tensor]] = []
    hook = branch.register_forward_pre_hook(lambda _, args: met.append((args[0], args[1])))
    with torch.no_grad():
        for _, batch in zip(range(8), loader.epoch(0), strict=False):
            loaded.model(batch)
    hook.remove()
    maps, query = (torch.cat(parts) for parts in zip(*met, strict=True))
    return Subject(modality=modality, weights=model, sparse=branch, dense=dense_twin(branch), maps=maps, query=query)


def dense_twin(sparse: ConvolutionBranch) -> ConvolutionBranch:
    """The same branch with its blocks' convolutions computed everywhere."""
    dense = copy.deepcopy(sparse)
    blocks = list(sparse.trunk.blocks)
    dense.trunk = DenseTrunk(width=blocks[0].first.in_channels)
    for pair, block in zip(dense.trunk.pairs, blocks, strict=True):
        for layer, source in zip(pair, (block.first, block.second), strict=True):
            layer[0].load_state_dict(source.conv.state_dict())
            layer[1].load_state_dict(source.norm.state_dict())
    return dense.eval()


def folded_plainly(dense: ConvolutionBranch) -> ConvolutionBranch:
    """Batch norm folded and channels-last, by torch's own tools alone: the dense network to beat."""
    branch = copy.deepcopy(dense).eval().requires_grad_(False)
    for layer in [branch.stem.first, *branch.stem.rest, *(layer for pair in branch.trunk.pairs for layer in pair)]:
        layer[0] = fuse_conv_bn_eval(layer[0], layer[1])
        layer[1] = nn.Identity()
    return branch.to(memory_format=torch.channels_last)


class ForcedSites:
    """Chooses given sites instead of the nucleus, after the nucleus has been paid for."""

    def __init__(self, kept: Tensor) -> None:
        self.kept, self.next = kept.flatten(1), 0

    def __call__(self, attention: Tensor, top_p: float, *, active: Tensor | None = None) -> Tensor:
        nucleus(attention, top_p, active=active)
        start, self.next = self.next, (self.next + len(attention)) % len(self.kept)
        return self.kept[start : start + len(attention)]


def forced_sites(maps: int, height: int, width: int, *, kind: str, density: float) -> Iterator[Tensor]:
    """Yield the kept sites of each block, bool (maps, H, W), each within what pooling leaves of the one before.

    ``clustered``: where two blobs, about where eyes and mouth are, are brightest. ``random``: anywhere.
    """
    draw = torch.Generator().manual_seed(0)
    score = 0.01 * torch.rand(maps, height, width, generator=draw)
    if kind == "clustered":
        y = torch.linspace(0, 1, height)[None, :, None]
        x = torch.linspace(0, 1, width)[None, None]
        for centre, spread in ((0.36, 0.26), (0.76, 0.16)):
            at_y, at_x = (place + 0.05 * torch.randn(maps, 1, 1, generator=draw) for place in (centre, 0.5))
            score = torch.maximum(score, torch.exp(-(((y - at_y) / 0.11) ** 2) - ((x - at_x) / spread) ** 2))
    active = torch.ones_like(score, dtype=torch.bool)
    while True:
        flat = score.masked_fill(~active, -1).flatten(1)
        best = flat.topk(max(1, round(density * flat.shape[1])), dim=1).indices
        kept = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, best, True).view_as(active) & active
        yield kept
        active = F.max_pool2d(kept[:, None].float(), 2, ceil_mode=True)[:, 0] > 0
        score = F.max_pool2d(score[:, None], 2, ceil_mode=True)[:, 0]


def sparse_branch(subject: Subject, backend: str) -> ConvolutionBranch:
    branch = copy.deepcopy(subject.sparse)
    for block in branch.trunk.blocks:
        block.settings = replace(block.settings, backend=backend)
    return branch


def inference_variants(subject: Subject, case: Case) -> dict[tuple[str, str, str], ConvolutionBranch]:
    """(variant, backend, dtype) -> branch."""
    plain = folded_plainly(subject.dense)
    found: dict[tuple[str, str, str], Any] = {
        ("dense eager", "torch", "float32"): subject.dense,
        ("dense folded channels_last", "torch", "float32"): plain,
    }
    if case.compile:
        found["dense compiled", "inductor", "float32"] = compiled(plain, case)
    types = {"float32": torch.float32, **({"bfloat16": torch.bfloat16} if case.bfloat16 else {})}
    for name, dtype in types.items():
        if native_kernels() is not None:
            found["dense + own stem", "native", name] = fold_for_inference(subject.dense, dtype=dtype)
        if dtype == torch.bfloat16:
            narrow = fold_for_inference(subject.dense, dtype=dtype, native=False)
            found["dense folded channels_last", "torch", name] = narrow
        for variant, backend in (("masked dense", "masked"), ("sparse torch", "torch"), ("sparse native", "native")):
            if backend != "native" or native_kernels() is not None:
                branch = fold_for_inference(sparse_branch(subject, backend), dtype=dtype, native=backend == "native")
                found[variant, backend, name] = branch
        found["sparse auto", "auto", name] = fold_for_inference(sparse_branch(subject, "auto"), dtype=dtype)
    return found


def training_variants(subject: Subject, case: Case) -> dict[tuple[str, str, str], ConvolutionBranch]:
    last = copy.deepcopy(subject.dense).to(memory_format=torch.channels_last)
    found: dict[tuple[str, str, str], Any] = {
        ("dense eager", "torch", "float32"): copy.deepcopy(subject.dense),
        ("dense folded channels_last", "torch", "float32"): last,  # nothing can be folded in training
    }
    if case.compile:
        found["dense compiled", "inductor", "float32"] = compiled(last, case)
    for variant, backend in (("masked dense", "masked"), ("sparse torch", "torch"), ("sparse native", "native")):
        if backend != "native" or native_kernels() is not None:
            found[variant, backend, "float32"] = sparse_branch(subject, backend)
    found["sparse auto", "auto", "float32"] = sparse_branch(subject, "auto")
    for branch in found.values():
        branch.train()
    return found


def runs_of(subject: Subject, case: Case) -> dict[tuple[str, str, str], tuple[Callable[[], Any], ConvolutionBranch]]:
    """The calls to time, each with its sites chosen as the case says."""
    maps, query = subject.inputs(case.utterances)
    variants = inference_variants(subject, case) if case.mode == "inference" else training_variants(subject, case)
    height, width = (side // 2 for side in SHAPES[subject.modality][1:])
    runs = {}
    for key, branch in variants.items():
        trunk = branch.trunk
        if isinstance(trunk, SparseTrunk):
            chosen = forced_sites(len(maps), height, width, kind=case.sites, density=case.level)
            for block in trunk.blocks:
                if case.sites == "p":
                    block.top_p = case.level
                else:
                    block.choose, block.tile = ForcedSites(next(chosen)), 1
        runs[key] = (_inference(branch, maps, query) if case.mode == "inference" else _step(branch, maps, query), branch)
    return runs


def _inference(branch: Any, maps: Tensor, query: Tensor) -> Callable[[], Any]:
    def run() -> Any:
        with torch.no_grad():
            return branch(maps, query)

    return run


def _step(branch: Any, maps: Tensor, query: Tensor) -> Callable[[], Any]:
    optimizer = torch.optim.Adam(branch.parameters(), lr=0.0, fused=True)  # the weights, and so the sites, stay
    channels_last = branch.stem.first[0].weight.is_contiguous(memory_format=torch.channels_last)
    maps = maps.contiguous(memory_format=torch.channels_last) if channels_last else maps

    def run() -> Any:
        out = branch(maps, query)
        optimizer.zero_grad()
        out.features.square().mean().backward()
        optimizer.step()
        return out

    return run


def measure(subject: Subject, case: Case, *, rounds: int, clock: Callable[[], float]) -> list[dict[str, Any]]:
    """Run a case and return its rows."""
    torch.set_num_threads(case.threads)
    runs = runs_of(subject, case)
    facts = {}
    for key, (run, branch) in runs.items():
        run()  # warm up, compile, pack
        kept = []
        if isinstance(branch.trunk, SparseTrunk):
            with torch.no_grad():
                traces = branch(*subject.inputs(case.utterances), traces=True).traces
            kept = [float(trace.kept.float().mean()) for trace in traces]
        out = run()
        facts[key] = (statistics.mean(kept) if kept else 1.0, int(out.multiply_adds.sum()))
    times: dict[tuple[str, str, str], list[float]] = {key: [] for key in runs}
    order = list(runs)
    shuffle = random.Random(0)
    for _ in range(rounds):
        shuffle.shuffle(order)
        for key in order:
            start = clock()
            runs[key][0]()
            times[key].append(clock() - start)
    medians = {key: statistics.median(values) for key, values in times.items()}
    best = {
        dtype: min(value for (variant, _, kind), value in medians.items() if variant in DENSE and kind == dtype)
        for dtype in {key[2] for key in medians}
    }
    return [
        {
            "variant": key[0],
            "backend": key[1],
            "dtype": key[2],
            "mode": case.mode,
            "utterances": case.utterances,
            "threads": case.threads,
            "density": round(facts[key][0], 4),
            "multiply_adds": facts[key][1],
            "ms": round(medians[key] * 1e3, 3),
            "ratio_to_best_dense": round(best[key[2]] / medians[key], 3),
            "modality": subject.modality,
            "weights": subject.weights,
            "sites": f"p={case.level:g}" if case.sites == "p" else f"{case.sites} {case.level:g}",
        }
        for key in runs
    ]


def quick_cases(threads: list[int]) -> list[Case]:
    few = min(threads)
    inference = [
        Case(mode="inference", utterances=8, threads=few, sites="clustered", level=d, bfloat16=d == 0.3)
        for d in (0.3, 0.5, 0.9)
    ]
    chosen = Case(mode="inference", utterances=8, threads=few, sites="p", level=0.5)
    training = [
        Case(mode="train", utterances=2, threads=few, sites="clustered", level=d, compile=False) for d in (0.3, 0.5)
    ]
    return [inference[0], training[0], inference[1], training[1], inference[2], chosen]


def all_cases(threads: list[int], utterances: list[int], modes: list[str]) -> list[Case]:
    levels = [round(0.1 * k, 1) for k in range(1, 10)]
    places = [("p", p) for p in (*levels, 1.0)] + [(kind, d) for kind in ("clustered", "random") for d in levels]
    return [
        Case(mode=mode, utterances=u, threads=t, sites=kind, level=level)
        for t in threads
        for mode in modes
        for u in utterances
        for kind, level in places
    ]


def show(rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    print(
        f"\n{first['mode']}, {first['modality']}, u = {first['utterances']}, {first['threads']} thread(s), sites "
        f"{first['sites']}, weights {first['weights']}"
    )
    print(f"{'variant':28}{'backend':10}{'dtype':10}{'density':>8}{'G mult-adds':>13}{'ms':>10}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['variant']:28}{row['backend']:10}{row['dtype']:10}{row['density']:8.2f}"
            f"{row['multiply_adds'] / 1e9:13.2f}{row['ms']:10.1f}{row['ratio_to_best_dense']:8.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few cases, within 5 minutes")
    parser.add_argument("--json", type=Path, help="save the rows to this file")
    parser.add_argument("--modality", choices=[*SHAPES], default="visual")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--utterances", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--modes", nargs="+", choices=["inference", "train"], default=["inference", "train"])
    parser.add_argument("--levels", type=float, nargs="+", help="only these densities and values of p")
    parser.add_argument("--sites", nargs="+", choices=["p", "clustered", "random"], default=["p", "clustered", "random"])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    parser.add_argument("--cpu-clock", action="store_true", help="time of this process, for a busy machine and one thread")
    parser.add_argument("--model", help="folder of a trained MESM; needs --data")
    parser.add_argument("--data", help="prepared dataset to take the input from")
    options = parser.parse_args()
    if bool(options.model) != bool(options.data):
        parser.error("--model and --data go together")
    started = time.monotonic()
    if options.model:
        subject = trained_subject(options.modality, options.model, options.data)
    else:
        subject = untrained_subject(options.modality)
    if options.quick:
        cases = quick_cases(options.threads)
    else:
        cases = all_cases(options.threads, options.utterances, options.modes)
        cases = [c for c in cases if c.sites in options.sites and (not options.levels or c.level in options.levels)]
    if options.no_compile:
        cases = [replace(case, compile=False) for case in cases]
    torch._inductor.config.freezing = True  # the weights are constants: the best the compiler can do in inference
    rows: list[dict[str, Any]] = []
    took: dict[str, float] = {}
    for case in cases:
        begun = time.monotonic()
        if options.quick and begun - started + took.get(case.mode, 0.0) > 285:
            print(f"\nleft out, time is up: {case}")
            continue
        clock = time.process_time if options.cpu_clock else time.perf_counter
        found = measure(subject, case, rounds=options.rounds, clock=clock)
        show(found)
        rows += found
        took[case.mode] = min(time.monotonic() - begun, took.get(case.mode, 60.0))  # the first one compiles
        if options.json:
            options.json.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
