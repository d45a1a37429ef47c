from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesmer.media.reader import MediaReader


@pytest.fixture(scope="session")
def reader() -> Iterator[MediaReader]:
    """One reader for all tests that do not harm it: its decoder process starts once."""
    with MediaReader() as one:
        yield one
