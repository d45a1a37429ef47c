"""What an analysis may cost: the best setting that fits, and what the result tells of it."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_people import Video

import mesmer
from mesmer.analysis import Analyzer, Predictor
from mesmer.analysis.budget import TABLE_FILE, Budget, Setting, choose, read_budget, settings
from mesmer.analysis.result import schema
from mesmer.analysis.utterances import UtteranceSettings
from mesmer.errors import ConfigError
from mesmer.models import LoadedModel

COSTS = st.lists(st.floats(0.01, 5), min_size=1, max_size=6)


def table(costs: list[float]) -> list[Setting]:
    return [Setting(looks_per_s=8, top_p=None, precision="fp32", cost=cost) for cost in costs]


@given(COSTS, st.floats(0.001, 10))
def test_the_first_setting_that_fits_is_chosen_else_the_cheapest(costs: list[float], asked: float) -> None:
    told = choose(asked, table(costs))
    fitting = [cost for cost in costs if cost <= asked]
    assert told.fits == bool(fitting)
    assert told.setting.cost == (fitting[0] if fitting else min(costs))
    assert bool(told.warnings(asked)) != told.fits
    assert "more than the budget" in told.warnings(asked * 1.1)[-1]


def test_the_table_that_ships_says_where_it_was_measured() -> None:
    found = json.loads(files("mesmer.analysis").joinpath(TABLE_FILE).read_text())
    assert {"processor", "threads", "torch", "video", "rounds"} <= set(found["measured_on"])
    known = settings()
    assert len(known) == len(found["settings"]) >= 3
    first = known[0]  # as without a budget
    assert (first.looks_per_s, first.top_p, first.precision) == (8, None, "fp32")
    assert choose(1000).setting == first
    assert choose(0.001).fits is False
    assert all(0 < one.cost < 10 and 1 / one.looks_per_s <= 0.5 for one in known)
    assert min(known, key=lambda one: one.cost) != first


@pytest.mark.parametrize(("text", "number"), [("0.5x", 0.5), ("2", 2.0), (" .25x ", 0.25), ("10.0x", 10.0)])
def test_budgets_that_are_read(text: str, number: float) -> None:
    assert read_budget(text) == number


@pytest.mark.parametrize("text", ["", "x", "-1x", "0x", "1e3", "nan", "inf", "½x", "1000001", "0,5x", "1x2", "1" * 400])
def test_budgets_that_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no budget"):
        read_budget(text)


def test_a_generous_budget_changes_no_answer(one_person: Video, tiny_model: LoadedModel) -> None:
    plain = mesmer.analyze(one_person.path, model=tiny_model)
    told = mesmer.analyze(one_person.path, model=tiny_model, budget=1000)
    assert "budget" not in plain.made_by
    assert "times_real_time" not in plain.cost
    assert told.made_by["budget"]["asked"] == 1000
    assert told.cost["times_real_time"] == pytest.approx(told.cost["seconds_total"] / told.analyzed_s, rel=0.01)
    assert list(told.warnings) == list(plain.warnings)
    for row, other in zip(told.utterances, plain.utterances, strict=True):
        assert row.prediction is not None
        assert other.prediction is not None
        assert row.prediction.probabilities == other.prediction.probabilities


def test_a_small_budget_is_cheap_and_told(one_person: Video, tiny_model: LoadedModel) -> None:
    setting = Setting(looks_per_s=2, top_p=0.2, precision="bf16", cost=0.5)
    with Analyzer(tiny_model, budget=Budget(asked=0.001, setting=setting, fits=False)) as analyzer:
        told = analyzer.analyze(one_person.path)
        assert analyzer.settings.look_every_s == 0.5
    jsonschema.validate(json.loads(json.dumps(told.to_json())), schema())
    assert told.model["top_p"] == 0.2
    assert told.made_by["settings"]["look_every_s"] == 0.5
    assert {"precision": "bf16", "fits": False}.items() <= told.made_by["budget"].items()
    assert any("no setting is known to cost 0.001x or less" in warning for warning in told.warnings)
    assert any("more than the budget of 0.001x" in warning for warning in told.warnings)
    assert [row.person for row in told.utterances] == [1, 1, 1]
    with Analyzer(tiny_model, top_p=0.2, settings=UtteranceSettings(look_every_s=0.5)) as analyzer:
        full = analyzer.analyze(one_person.path)
    for row, other in zip(told.utterances, full.utterances, strict=True):
        assert row.prediction is not None
        assert other.prediction is not None
        assert row.prediction.probabilities != other.prediction.probabilities  # about three digits are the same
        for name, probability in row.prediction.probabilities.items():
            assert probability == pytest.approx(other.prediction.probabilities[name], abs=0.02)
    with pytest.raises(ConfigError, match="a budget chooses top_p"):
        Analyzer(tiny_model, top_p=0.5, budget=choose(1))


def test_a_precision_that_is_none_is_refused(tiny_model: LoadedModel) -> None:
    with pytest.raises(ConfigError, match="use fp32 or bf16"):
        Predictor(tiny_model, precision="fp8")  # type: ignore[arg-type]
