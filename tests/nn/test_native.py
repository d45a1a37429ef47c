"""The compiled kernels: how they are built, kept and refused, and that they compute what the torch path computes."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mesmer.nn.active_sites import ActiveSites
from mesmer.nn.convolution_paths import TapMatrices, gathered_convolution
from mesmer.nn.native import Kernels, build, kernels, native_kernels

needs_kernels = pytest.mark.skipif(native_kernels() is None, reason="no compiled kernels here")


def rows_and_sites(channels: int, density: float = 0.5, maps: int = 3, side: int = 9) -> tuple[torch.Tensor, ActiveSites]:
    torch.manual_seed(channels)
    sites = ActiveSites(torch.rand(maps, side, side) < density)
    return torch.randn(sites.count, channels), sites


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache folder and a process that has not asked for kernels yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MESMER_NATIVE", raising=False)
    native_kernels.cache_clear()
    yield tmp_path / "mesmer" / "native"
    native_kernels.cache_clear()


@needs_kernels
def test_library_is_built_once_and_only_for_its_owner(fresh: Path) -> None:
    path = build.build_library()
    assert path.parent == fresh == build.cache_folder()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700
    made = path.stat().st_mtime_ns
    assert build.build_library() == path
    assert path.stat().st_mtime_ns == made
    assert [item.name for item in fresh.iterdir()] == [path.name]  # nothing half-built stays behind


@needs_kernels
def test_cache_key_knows_sources_flags_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {build._key(["c++", "-O3"], frozenset({"avx2"}))}
    keys.add(build._key(["c++", "-O2"], frozenset({"avx2"})))
    keys.add(build._key(["c++", "-O3"], frozenset({"avx2", "avx512f"})))
    monkeypatch.setattr(build, "SOURCES", build.SOURCES[:1])
    keys.add(build._key(["c++", "-O3"], frozenset({"avx2"})))
    assert len(keys) == 4


def _no_compiler(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda _: None)


def _no_avx(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(build, "processor_flags", lambda: frozenset({"sse2"}))


def _broken_compiler(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    compiler = folder.parent.parent / "c++"
    compiler.write_text("#!/bin/sh\necho 'error: it is broken' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))


def _wrong_code(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    wrong = folder.parent.parent / "wrong.cpp"
    text = "".join((Path(build.__file__).parent / name).read_text() for name in ("submanifold.cpp",))
    wrong.write_text(text.replace("* TAPS + t];\n", "* TAPS + (t + 1) % TAPS];\n"))
    (wrong.parent / "vectors.inc.cpp").write_text((Path(build.__file__).parent / "vectors.inc.cpp").read_text())
    others = [str(Path(build.__file__).parent / name) for name in build.SOURCES[1:]]
    monkeypatch.setattr(build, "SOURCES", (str(wrong), *others))


def _cache_is_a_file(_: pytest.MonkeyPatch, folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("in the way")


def _cache_open_to_others(_: pytest.MonkeyPatch, folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)


def _compiler_of_garbage(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    compiler = folder.parent.parent / "c++"
    compiler.write_text('#!/bin/sh\nfor last; do :; done\ncase "$last" in *.so) echo garbage > "$last";; esac\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))


FAULTS = {
    "no C++ compiler": _no_compiler,
    "no AVX2": _no_avx,
    "the compiler failed: error: it is broken": _broken_compiler,
    "computes wrong values": _wrong_code,
    "cache folder cannot be used": _cache_is_a_file,
    "written by others": _cache_open_to_others,
    "cannot be loaded": _compiler_of_garbage,
}


@needs_kernels
@pytest.mark.parametrize("message", FAULTS)
def test_without_kernels_one_line_says_why(
    message: str, fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    FAULTS[message](monkeypatch, fresh)
    with caplog.at_level(logging.INFO, logger="mesmer"):
        assert native_kernels() is None
        assert native_kernels() is None
    assert len(caplog.records) == 1
    assert message in caplog.text
    assert "\n" not in caplog.records[0].getMessage()


def test_kernels_can_be_switched_off(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESMER_NATIVE", "0")
    assert native_kernels() is None
    assert not fresh.exists()


@needs_kernels
def test_a_build_for_avx2_computes_the_same(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-mno-avx512f"))
    narrow = Kernels(build.build_library())
    assert narrow.lanes == 8
    assert not narrow.takes(torch.bfloat16)
    kernels._check(narrow)
    rows, sites = rows_and_sites(70)
    weight, gradient = torch.randn(37, 70, 3, 3) / 25, torch.randn(sites.count, 37)
    expected = gathered_convolution(rows, sites, TapMatrices.of(weight))
    found = narrow.convolve(rows, sites.neighbours, narrow.pack(weight), out_channels=37)
    assert (found - expected).abs().max() < 1e-5
    wide = native_kernels()
    assert wide is not None
    found = narrow.weight_gradient(rows, sites.neighbours, gradient)
    assert (found - wide.weight_gradient(rows, sites.neighbours, gradient)).abs().max() < 1e-4
    images = torch.randn(2, 3, 20, 14)
    weights = [torch.randn(8, 3, 5, 5) / 9, torch.randn(8, 8, 3, 3) / 9]
    biases = [torch.randn(8), torch.randn(8)]
    stems = [k.stem(images, k.pack_stem(weights, biases)) for k in (narrow, wide)]
    assert (stems[0] - stems[1]).abs().max() < 1e-5
    asked = [k.attend(rows, sites.map_of_site, torch.ones(3, 70), torch.ones(3, 3), torch.ones(3)) for k in (narrow, wide)]
    assert (asked[0] - asked[1]).abs().max() < 1e-5


@needs_kernels
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 1), (3, 33), (64, 128), (130, 31), (257, 64), (300, 65)])
def test_convolution_and_gradients_equal_the_torch_path(c_in: int, c_out: int) -> None:
    compiled = native_kernels()
    rows, sites = rows_and_sites(c_in)
    weight, bias = torch.randn(c_out, c_in, 3, 3) / (3 * c_in**0.5), torch.randn(c_out)
    for relu in (False, True):
        expected = gathered_convolution(rows, sites, TapMatrices.of(weight), bias=bias, relu=relu)
        packed = compiled.pack(weight)
        found = compiled.convolve(rows, sites.neighbours, packed, out_channels=c_out, bias=bias, relu=relu)
        assert (found - expected).abs().max() < 1e-5
    gradient = torch.randn(sites.count, c_out)
    mirrored = TapMatrices.of(weight.flip(2, 3).transpose(0, 1))
    backward = compiled.convolve(gradient, sites.neighbours, compiled.pack(weight, backward=True), out_channels=c_in)
    assert (backward - gathered_convolution(gradient, sites, mirrored)).abs().max() < 1e-4
    padded = torch.cat([rows, torch.zeros(1, c_in)])
    by_tap = torch.stack([gradient.t() @ padded[sites.neighbours[:, t].long()] for t in range(9)], 2)
    found = compiled.weight_gradient(rows, sites.neighbours, gradient)
    assert (found - by_tap.view(c_out, c_in, 3, 3)).abs().max() < 1e-4
    try:
        torch.set_num_threads(2)
        assert torch.equal(compiled.weight_gradient(rows, sites.neighbours, gradient), found)
    finally:
        torch.set_num_threads(1)


@needs_kernels
@pytest.mark.parametrize("c_in", [1, 7, 64, 301])
def test_bfloat16_rounds_its_inputs_and_adds_up_in_float32(c_in: int) -> None:
    compiled = native_kernels()
    if not compiled.has_bfloat16:
        pytest.skip("the processor has no bfloat16 products")
    rows, sites = rows_and_sites(c_in)
    weight, bias = torch.randn(40, c_in, 3, 3) / (3 * c_in**0.5), torch.randn(40)
    narrow = rows.bfloat16()
    packed = compiled.pack(weight, dtype=torch.bfloat16)
    found = compiled.convolve(narrow, sites.neighbours, packed, out_channels=40, bias=bias, relu=True)
    exact = TapMatrices.of(weight.bfloat16().float())
    expected = gathered_convolution(narrow.float(), sites, exact, bias=bias, relu=True)
    assert found.dtype == torch.bfloat16
    assert ((found.float() - expected).abs() <= 0.005 * expected.abs() + 1e-4).all()  # one rounding, at the end


@needs_kernels
def test_a_row_is_the_same_bits_in_any_batch_and_with_any_number_of_threads() -> None:
    compiled = native_kernels()
    rows, sites = rows_and_sites(64, maps=20, side=12)
    packed = compiled.pack(torch.randn(96, 64, 3, 3))
    together = compiled.convolve(rows, sites.neighbours, packed, out_channels=96)
    try:
        torch.set_num_threads(2)
        assert torch.equal(compiled.convolve(rows, sites.neighbours, packed, out_channels=96), together)
    finally:
        torch.set_num_threads(1)
    for m in range(20):
        mine = sites.map_of_site == m
        alone = ActiveSites(sites.kept[m : m + 1])
        assert torch.equal(compiled.convolve(rows[mine], alone.neighbours, packed, out_channels=96), together[mine])


@needs_kernels
@pytest.mark.parametrize(
    ("channels", "width", "height", "across"),
    [(3, 64, 48, 48), (1, 64, 128, 32), (3, 8, 10, 14), (1, 40, 22, 18), (3, 100, 7, 5)],
)
def test_stem_equals_torch(channels: int, width: int, height: int, across: int) -> None:
    compiled = native_kernels()
    torch.manual_seed(0)
    images = torch.randn(3, channels, height, across)
    weights = [torch.randn(width, channels, 5, 5) * (2 / 25 / channels) ** 0.5]
    weights += [torch.randn(width, width, 3, 3) * (2 / 9 / width) ** 0.5 for _ in range(4)]
    biases = [torch.randn(width) / 5 for _ in weights]
    expected = F.max_pool2d(F.conv2d(images.double(), weights[0].double(), biases[0].double(), padding=2).relu(), 2)
    direct = F.max_pool2d(F.conv2d(images, weights[0], biases[0], padding=2).relu(), 2)
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        expected = F.conv2d(expected, weight.double(), bias.double(), padding=1).relu()
        direct = F.conv2d(direct, weight, bias, padding=1).relu()
    packed = compiled.pack_stem(weights, biases)
    found = compiled.stem(images, packed)
    scale = float(expected.abs().max())
    assert (found - expected).abs().max() < 2e-6 * scale
    # Winograd's sums round about as the direct ones do: nothing of what the network computes is given up.
    assert (found - expected).square().mean() < 6 * (direct - expected).square().mean() + 1e-14
    assert torch.equal(compiled.stem(images[1:2], packed), found[1:2])


@needs_kernels
def test_stems_the_kernel_does_not_know_are_left_to_torch() -> None:
    compiled = native_kernels()
    for shapes in ([(8, 2, 5, 5)], [(200, 3, 5, 5)], [(8, 3, 3, 3)], [(8, 3, 5, 5), (9, 8, 3, 3)]):
        assert compiled.pack_stem([torch.zeros(shape) for shape in shapes], [torch.zeros(s[0]) for s in shapes]) is None


@needs_kernels
def test_what_does_not_fit_never_reaches_the_library() -> None:
    compiled = native_kernels()
    rows, sites = rows_and_sites(4)
    packed = compiled.pack(torch.zeros(5, 4, 3, 3))
    with pytest.raises(ValueError, match="do not agree"):
        compiled.convolve(rows, sites.neighbours[:-1], packed, out_channels=5)
    with pytest.raises(ValueError, match="do not agree"):
        compiled.convolve(rows, sites.neighbours, packed, out_channels=500)
    with pytest.raises(ValueError, match="do not agree"):
        compiled.convolve(rows, sites.neighbours, packed, out_channels=5, bias=torch.zeros(4))
    with pytest.raises(ValueError, match="do not agree"):
        compiled.weight_gradient(rows, sites.neighbours, torch.zeros(1, 5))
    with pytest.raises(ValueError, match="do not agree"):
        compiled.attend(rows, sites.map_of_site + 1, torch.zeros(2, 4), torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(TypeError, match="int32"):
        compiled.convolve(rows, sites.neighbours.long(), packed, out_channels=5)
    with pytest.raises(TypeError, match="float32"):
        compiled.pack(torch.zeros(5, 4, 3, 3, dtype=torch.float64))


@needs_kernels
def test_a_neighbour_out_of_range_is_a_missing_one() -> None:
    rows, sites = rows_and_sites(4)
    table = sites.neighbours.clone()
    table[table == sites.count] = -7
    compiled = native_kernels()
    packed = compiled.pack(torch.randn(5, 4, 3, 3))
    one, other = (compiled.convolve(rows, t, packed, out_channels=5) for t in (sites.neighbours, table))
    assert torch.equal(one, other)


def test_this_test_run_uses_kernels_where_the_machine_can() -> None:
    able = {"avx2", "fma"} <= build.processor_flags() and os.environ.get("MESMER_NATIVE") != "0"
    if able and (build.shutil.which("c++") or build.shutil.which("g++")):
        assert native_kernels() is not None
