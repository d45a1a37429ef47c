from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from media.making import good_clip
from mesmer.media.reader import MediaReader


@pytest.fixture(scope="session")
def reader() -> Iterator[MediaReader]:
    """One reader for all tests that do not harm it: its decoder process starts once."""
    with MediaReader() as one:
        yield one


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with nothing wrong in it."""
    return good_clip(tmp_path_factory.mktemp("good"))
