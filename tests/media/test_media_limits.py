from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from mesmer.errors import ConfigError
from mesmer.media.limits import Limits, limits_table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "media.md"


def test_the_documented_limits_are_the_real_ones() -> None:
    assert limits_table() in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [entry.name for entry in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_a_positive_number(name: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(Limits(), **{name: value})
    assert caught.value.field == name
