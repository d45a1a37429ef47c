"""One tiny synthetic corpus, made once for all tests of this folder, and the tests that need h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesmer.corpora.base import Corpus
from mesmer.corpora.synthetic import make_synthetic, read_truth

TINY_SEED = 3


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_synthetic(tmp_path_factory.mktemp("synthetic") / "tiny", size="tiny", seed=TINY_SEED, workers=1)


@pytest.fixture(scope="session")
def tiny_root(tiny: Corpus) -> Path:
    return tiny.root


@pytest.fixture(scope="session")
def tiny_truth(tiny: Corpus) -> list[dict[str, Any]]:
    return list(read_truth(tiny.root))


@pytest.fixture
def h5py() -> None:
    pytest.importorskip("h5py", reason="csd files need h5py: pip install 'mesmer-emotion[features]'")
