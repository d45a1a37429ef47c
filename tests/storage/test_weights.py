"""Weights come back bit for bit; any damage is a ModelError, never a crash, never other weights unnoticed."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import safetensors
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesmer.errors import ModelError
from mesmer.storage.hashes import sha256_bytes, sha256_file
from mesmer.storage.weights import load_metadata, load_tensors, save_tensors

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool]


def some_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    made = {str(dtype): torch.randn(3, 5, generator=generator).to(dtype) for dtype in DTYPES}
    made["empty"] = torch.zeros(0, 4)
    made["scalar"] = torch.tensor(float("nan"))
    made["strided"] = torch.arange(12.0).reshape(3, 4).T
    made["tied"] = made["strided"]
    return made


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    metadata = {f"key {n}": f"wert ä {n}" for n in range(6)}
    files = [tmp_path / f"{n}.safetensors" for n in range(4)]
    for n, file in enumerate(files):
        items = list(some_tensors().items())
        save_tensors(file, dict(items if n % 2 else reversed(items)), dict(sorted(metadata.items(), reverse=bool(n % 2))))
    assert len({sha256_file(file) for file in files}) == 1
    loaded = load_tensors(files[0], sha256=sha256_file(files[0]))
    for name, tensor in some_tensors().items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        assert bits(loaded[name]) == bits(tensor)
    assert load_metadata(files[0]) == metadata
    with safetensors.safe_open(files[0], "pt") as reference:  # the library itself reads what was written
        assert reference.metadata() == metadata
        assert set(reference.keys()) == set(loaded)


def test_loaded_tensors_are_their_own(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x", {"a": torch.zeros(4), "b": torch.ones(4)})
    first, second = load_tensors(tmp_path / "x"), load_tensors(tmp_path / "x")
    first["a"] += 7
    assert second["a"].eq(0).all()
    assert first["b"].eq(1).all()


@settings(max_examples=300)
@given(data=st.data())
def test_damage_is_told(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    save_tensors(path, {"weight": torch.arange(20.0), "bias": torch.zeros(3, dtype=torch.int64)}, {"note": "x"})
    good = path.read_bytes()
    bad = bytearray(good)
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(good) - 1))
        bad[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        bad = bad[: data.draw(st.integers(0, len(good) - 1))]
    path.write_bytes(bad)
    with pytest.raises(ModelError, match="damaged"):
        load_tensors(path, sha256=sha256_bytes(good))
    try:
        tensors = load_tensors(path)  # without the hash a flip may pass, but nothing else than an answer or a ModelError
    except ModelError:
        return
    assert len(bad) == len(good)
    assert len(tensors) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"\xff\xff",
        (40).to_bytes(8, "little") + b'{"__metadata__":{"a":1}}'.ljust(40),
        (80).to_bytes(8, "little")
        + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}'.ljust(80)
        + b"1234",
        (90).to_bytes(8, "little")
        + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32"}}'.ljust(90)
        + b"1234",
        pickle.dumps({"weight": [1.0]}),
    ],
)
def test_hostile_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_tensors(tmp_path / "x")
    assert caught.value.file == str(tmp_path / "x")


def test_size_bound_and_metadata_types(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x", {"a": torch.zeros(1000)})
    with pytest.raises(ModelError, match="larger"):
        load_tensors(tmp_path / "x", max_bytes=1000)
    with pytest.raises(TypeError, match="epoch"):
        save_tensors(tmp_path / "y", {}, {"epoch": 3})  # type: ignore[dict-item]
    assert not (tmp_path / "y").exists()
