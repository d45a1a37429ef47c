"""What a sweep tries: files of all kinds of mistakes, grids, values that come back as they went in, and the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

from mesmer.errors import ConfigError
from mesmer.experiments.sweep_spec import Choice, Range, SweepSpec, read_spec
from mesmer.experiments.sweep_study import DONE, FAILED, PRUNED, Study, Trial, mend

GOOD = "keys: {model.dim: {values: [32, 64]}}"


def spec_of(tmp_path: Path, text: str) -> SweepSpec:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    return read_spec(file)


def test_a_spec_is_read(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: {width: 4}\ntrain: {epochs: 3}")
    spec = spec_of(
        tmp_path,
        """
        config: base.yaml
        method: random
        trials: 7
        keys:
          train.learning_rate: {low: 1e-4, high: 1e-2, log: true}
          model.layers: {low: 1, high: 4}
          model.text.encoder: {values: [small, minilm]}
          model.sparse.logit_scale: {values: [null, 0.5]}
        """,
    )
    assert (spec.base.model.width, spec.base.train.epochs, spec.trials, spec.method) == (4, 3, 7, "random")
    assert spec.keys["train.learning_rate"] == Range(low=1e-4, high=1e-2, log=True)
    assert spec.keys["model.sparse.logit_scale"] == Choice(values=(None, 0.5))
    settings = spec.settings({"train.learning_rate": 0.002, "model.layers": 3, "model.sparse.logit_scale": None})
    assert (settings.train.learning_rate, settings.model.layers, settings.model.sparse.logit_scale) == (0.002, 3, None)
    assert settings.model.width == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "keys: nothing is to be tried"),
        ("keys: {}", "keys: nothing is to be tried"),
        ("- a", "nothing is to be tried"),
        ("keys: {model.width: {values: [4]}, model.width: {values: [8]}}", "stands twice"),
        ("keys: {model.feature_widths: {values: [4]}}", "did you mean 'model.feature_width'"),
        ("keys: {model: {values: [4]}}", "there is no setting 'model'"),
        ("keys: {model.width: 4}", "values are expected"),
        ("keys: {model.width: {values: []}}", "a list of 1 to"),
        ("keys: {model.width: {values: [4], low: 2}}", "and nothing else"),
        ("keys: {model.width: {values: [4, 4]}}", "a value stands twice"),
        ("keys: {model.width: {values: [[4]]}}", "is no text"),
        ("keys: {model.width: {values: [wide]}}", "keys.model.width: 'wide' is not of type int"),
        ("keys: {model.norm: {values: [before]}}", "keys.model.norm"),
        ("keys: {model.width: {low: 4}}", "low and high must be finite numbers"),
        ("keys: {model.width: {low: 4, high: .inf}}", "finite"),
        ("keys: {model.width: {low: 8, high: 4}}", "high must be above low"),
        ("keys: {model.width: {low: 4, high: 8, step: 9}}", "step fit"),
        ("keys: {model.width: {low: 4, high: 8, steps: 1}}", "unknown key 'steps'"),
        ("keys: {train.learning_rate: {low: 0.0, high: 1.0, log: true}}", "log needs a low above 0"),
        ("keys: {train.learning_rate: {low: 0.1, high: 1.0, log: 1}}", "log is true or false"),
        (f"{GOOD}\ntrails: 3", "did you mean 'trials'"),
        (f"{GOOD}\ntrials: 0", "trials: 0 trials"),
        (f"{GOOD}\ntrials: many", "not of type int"),
        (f"{GOOD}\nseed: -1", "seed is negative"),
        (f"{GOOD}\nmethod: bayes", "method"),
        (f"{GOOD}\nconfig: a.yaml\npreset: paper", "exclude each other"),
        (f"{GOOD}\nconfig: none.yaml", "none.yaml: the file does not exist"),
        ("method: grid\nkeys: {train.learning_rate: {low: 0.1, high: 1.0}}", "a grid needs values"),
        ("method: grid\nkeys: {model.width: {low: 1, high: 200}, model.dim: {low: 1, high: 200}}", "more than 10000"),
        ("keys: [", "not YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"(spec|none)\.yaml") as raised:
        spec_of(tmp_path, text)
    assert says in str(raised.value)


def test_a_grid_is_every_combination_once_and_in_order(tmp_path: Path) -> None:
    text = "method: grid\nkeys: {model.dim: {values: [32, 64]}, model.sparse.top_p: {low: 0.3, high: 0.85, step: 0.3}}"
    spec = spec_of(tmp_path, text)
    pairs = [(point["model.dim"], point["model.sparse.top_p"]) for point in spec.points]
    assert pairs == [(32, 0.3), (32, 0.6), (64, 0.3), (64, 0.6)]  # 0.6, without the last bit of 0.3 + 0.3
    study = Study(tmp_path / "journal", spec)
    study.enqueue_grid()
    asked = [tuple(study.ask().values.values()) for _ in range(2)]
    again = Study(tmp_path / "journal", spec)  # as after a kill
    again.enqueue_grid()
    asked += [tuple(again.ask().values.values()) for _ in range(2)]
    assert asked == pairs


def test_values_come_back_as_they_went_in(tmp_path: Path) -> None:
    """Optuna takes 1, 1.0 and true for one choice; a setting does not."""
    values: list[Any] = [1, 1.0, True, "1", None, "true"]
    base = spec_of(tmp_path, GOOD)
    spec = SweepSpec(base=base.base, keys={"model.dim": Choice(values=tuple(values))}, method="random", seed=3)
    study = Study(tmp_path / "journal", spec)
    seen = [study.ask().values["model.dim"] for _ in range(40)]
    assert {(type(value), value) for value in seen} == {(type(value), value) for value in values}
    assert [trial.values["model.dim"] for trial in Study(tmp_path / "journal", spec).trials()] == seen


@pytest.mark.parametrize("method", ["tpe", "random"])
def test_what_is_tried_next_survives_the_process(tmp_path: Path, method: str) -> None:
    text = f"method: {method}\nkeys: {{train.learning_rate: {{low: 0.001, high: 1.0, log: true}}}}"
    spec = spec_of(tmp_path, text)

    def rates(journal: Path, *, reopen: bool) -> list[Any]:
        study, tried = Study(journal, spec), []
        for _ in range(14):
            if reopen:
                study = Study(journal, spec)
            trial = study.ask()
            rate = trial.values["train.learning_rate"]
            assert isinstance(rate, float)
            study.tell(Trial(number=trial.number, values=trial.values, state=DONE, f1=rate, epochs=1, best_epoch=1))
            tried.append(rate)
        return tried

    straight = rates(tmp_path / "one", reopen=False)
    assert rates(tmp_path / "other", reopen=True) == straight
    assert len(set(straight)) == 14


def test_a_trial_below_the_median_is_pruned_and_all_is_remembered(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, f"{GOOD}\nstartup_trials: 2\nwarmup_epochs: 1")
    study = Study(tmp_path / "journal", spec)
    for f1 in (0.5, 0.6):
        trial = study.ask()
        assert not any(study.report(trial.number, epoch, f1) for epoch in (1, 2, 3))
        study.tell(Trial(number=trial.number, values=trial.values, state=DONE, f1=f1, epochs=3, best_epoch=1))
    trial = study.ask()
    # 0.4 is below the median; the first epoch is warm-up, and an epoch told again after a kill changes nothing.
    assert [study.report(trial.number, epoch, 0.4) for epoch in (1, 1, 2)] == [False, False, True]
    study.tell(Trial(number=trial.number, values=trial.values, state=PRUNED, f1=0.4, epochs=2, best_epoch=1))
    failed = study.ask()
    study.tell(Trial(number=failed.number, values=failed.values, state=FAILED, reason="dim is odd"))
    found = Study(tmp_path / "journal", spec).trials()
    assert [(t.state, t.f1, t.epochs, t.reason) for t in found] == [
        (DONE, 0.5, 3, None),
        (DONE, 0.6, 3, None),
        (PRUNED, 0.4, 2, None),
        (FAILED, None, None, "dim is odd"),
    ]


def test_a_journal_cut_in_the_middle_of_a_line_is_mended(tmp_path: Path) -> None:
    spec, journal = spec_of(tmp_path, GOOD), tmp_path / "journal"
    trial = Study(journal, spec).ask()
    whole = journal.read_bytes()
    for cut in (1, 7, 20):
        journal.write_bytes(whole + whole[-60:][:-cut])
        mend(journal)
        assert all(json.loads(line) for line in journal.read_bytes().splitlines())
        assert journal.read_bytes().startswith(whole)
        assert Study(journal, spec).trials()[0] == trial
    mend(tmp_path / "none")
    journal.write_bytes(b"not a journal\n")
    with pytest.raises(ConfigError, match="journal of the sweep cannot be used"):
        Study(journal, spec)


def test_the_sweep_of_the_project_is_read() -> None:
    spec = read_spec(Path(__file__).resolve().parents[2] / "configs" / "small" / "sweep.yaml")
    assert spec.trials == 20
    assert "model.sparse.top_p" in spec.keys
