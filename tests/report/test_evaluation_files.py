"""Tables as files, and figures: they hold the numbers of the table, and no name can break them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mesmer.errors import ConfigError
from mesmer.evaluation.answers import Truth, thresholded
from mesmer.evaluation.evaluate import Evaluation
from mesmer.evaluation.seeds import over_seeds
from mesmer.evaluation.table import Resampling, Table, make_table
from mesmer.evaluation.trivial import prior_of
from mesmer.report.evaluation_files import table_csv, table_latex, table_markdown, write_table
from mesmer.report.evaluation_plots import coverage_figure, reliability_figure, write_plots

EMOTIONS = ("anger", "very_sad & $x$ | *b*")


def evaluation(seed: int = 0, *, single: bool = False, uncalibrated: bool = True) -> Evaluation:
    rng = np.random.default_rng(3)
    labels = rng.random((60, 2)) < 0.4
    if single:
        labels[:, 1] = ~labels[:, 0]
    truth = Truth(
        ids=tuple(map(str, range(60))),
        speakers=tuple(f"s{i % 9}" for i in range(60)),
        emotions=EMOTIONS,
        labels=labels,
    )
    draws = np.random.default_rng(seed)
    probabilities = np.clip(0.3 * labels + 0.7 * draws.random((60, 2)), 0, 1)
    answer = thresholded(
        name="TAV",
        title="text + audio",
        probabilities=probabilities,
        emotions=EMOTIONS,
        thresholds=dict.fromkeys(EMOTIONS, 0.5),
        thresholds_from="here",
    )
    table = make_table(
        name="test",
        truth=truth,
        answers=(answer,),
        prior=prior_of(labels, EMOTIONS, source="here"),
        resampling=Resampling(resamples=50),
        warnings=("1 speaker_x is also in train",),
    )
    raw = probabilities**2 if uncalibrated else None
    return Evaluation(table=table, truth=truth, answers=(answer,), uncalibrated=raw, margins=dict.fromkeys(EMOTIONS, 0.3))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_holds_every_number() -> None:
    table = evaluation().table
    rows = {(row["answer"], row["emotion"]): row for row in rows_of(table_csv(table))}
    assert len(rows) == len(table.rows) * 3
    first = rows["text + audio", EMOTIONS[1]]
    assert float(first["f1_value"]) == table.rows[0].per_emotion[EMOTIONS[1]].f1
    assert float(first["auroc_high"]) == table.rows[0].intervals.per_emotion[EMOTIONS[1]]["auroc"][1]
    assert first["micro_f1_value"] == ""
    assert int(first["positives"]) == table.positives[EMOTIONS[1]]
    assert float(rows["text + audio", "average"]["micro_f1_low"]) == table.rows[0].intervals.average["micro_f1"][0]
    assert rows["answer none", "average"]["f1_low"] == ""


def test_csv_over_seeds() -> None:
    tables: list[Table] = [evaluation(seed).table for seed in (1, 2, 3)]
    seeds = over_seeds(tables)
    first = rows_of(table_csv(seeds))[0]
    assert float(first["f1_mean"]) == pytest.approx(np.mean([table.rows[0].average.f1 for table in tables]))
    assert float(first["f1_deviation"]) == seeds.rows[0].average["f1"].deviation
    assert "±" in table_markdown(seeds)
    assert r"$\pm$" in table_latex(seeds)


def test_markdown_and_latex_survive_odd_names() -> None:
    table = evaluation().table
    text = table_markdown(table)
    assert text.startswith(r"> **Warning:** 1 speaker\_x is also in train")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [line.replace(r"\|", "").count("|") for line in lines]
    assert cells == [9] * 7 + [4] * 7
    assert r"very\_sad & $x$ \| \*b\*" in text
    latex = table_latex(table)
    assert r"very\_sad \& \$x\$" in latex
    assert latex.startswith("% warning")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2


def test_the_suffix_says_how(tmp_path: Path) -> None:
    table = evaluation().table
    for suffix in ("csv", "md", "tex", "json"):
        write_table(table, tmp_path / f"t.{suffix}")
    assert json.loads((tmp_path / "t.json").read_text()) == json.loads(json.dumps(table.to_json()))
    for name in ("t.pdf", "t"):
        with pytest.raises(ConfigError, match="suffix"):
            write_table(table, tmp_path / name)


@pytest.mark.parametrize("single", [False, True])
def test_figures_are_written_twice_and_the_same_each_time(tmp_path: Path, single: bool) -> None:
    made = evaluation(single=single)
    paths = write_plots(made, tmp_path / "a")
    names = {path.name for path in paths}
    kind = "confusion" if single else "co_occurrence"
    assert names == {f"{stem}.{end}" for stem in ("reliability", "coverage_risk", kind) for end in ("png", "svg")}
    for again in write_plots(made, tmp_path / "b"):
        assert again.read_bytes() == (tmp_path / "a" / again.name).read_bytes()
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert min(picture.size) > 300
                assert len(np.unique(np.asarray(picture.convert("L")))) > 20  # not an empty page


def lines_of(figure: Figure, label: str) -> list[np.ndarray]:
    return [np.asarray(line.get_xydata()) for axes in figure.axes for line in axes.lines if line.get_label() == label]


def test_curves_show_the_numbers() -> None:
    made = evaluation()
    figure = reliability_figure(made)
    drawn, bins = lines_of(figure, "calibrated")[0], np.minimum(made.answers[0].probabilities[:, 0] * 10, 9).astype(int)
    for x, y in drawn:
        held = bins == int(x * 10)
        assert x == pytest.approx(made.answers[0].probabilities[held, 0].mean())
        assert y == pytest.approx(made.truth.labels[held, 0].mean())
    assert len(lines_of(figure, "uncalibrated")) == 2
    assert not lines_of(reliability_figure(evaluation(uncalibrated=False)), "uncalibrated")
    curve = lines_of(coverage_figure(made), "kept")[1]
    wrong = (made.answers[0].decisions != made.truth.labels)[:, 1]
    assert curve[-1] == pytest.approx([100, 100 * wrong.mean()])
