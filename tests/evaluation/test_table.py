"""The table: hidden modalities are hidden, thresholds come from where the caption says, the trivial answers stand."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesmer.config import ModelSettings, TextSettings
from mesmer.errors import DataError
from mesmer.evaluation.answers import Answer, Truth, thresholded
from mesmer.evaluation.evaluate import subset_title, subsets_of
from mesmer.evaluation.predictions import SUBSETS, answer_split, show_only
from mesmer.evaluation.table import Resampling, Table, make_table
from mesmer.evaluation.trivial import TRIVIAL, Prior, prior_of, trivial_answers
from mesmer.models.registry import build_model
from mesmer.records import Batch
from mesmer.report.evaluation_table import print_table

EMOTIONS = ("anger", "joy")


def answer(name: str, probabilities: list[list[float]], thresholds: dict[str, float] | None = None) -> Answer:
    return thresholded(
        name=name,
        title={"TAV": "text + audio + visual", "T": "text alone"}[name],
        probabilities=np.array(probabilities),
        emotions=EMOTIONS,
        thresholds=thresholds or {"anger": 0.5, "joy": 0.75},
        thresholds_from="chosen by hand",
    )


TRUTH = Truth(
    ids=("u0", "u1", "u2", "u3"),
    speakers=("ann", "ann", "bob", None),
    emotions=EMOTIONS,
    labels=np.array([[1, 0], [0, 1], [0, 0], [1, 1]], dtype=bool),
)
PRIOR = Prior(shares={"anger": 0.2, "joy": 0.6}, source="counted on the training split")


def table_of(**changes: Any) -> Table:
    given: dict[str, Any] = {
        "name": "test",
        "truth": TRUTH,
        "answers": (answer("TAV", [[0.9, 0.2], [0.1, 0.8], [0.2, 0.7], [0.3, 0.9]]), answer("T", [[0.1, 0.1]] * 4)),
        "prior": PRIOR,
        "warnings": ("all 2 speakers of test are also in train",),
        "multiply_adds": 30.0,
        "dense_multiply_adds": 60.0,
    }
    return make_table(**{**given, **changes})


def test_rows_and_their_numbers() -> None:
    table = table_of()
    assert [row.name for row in table.rows] == ["TAV", "T", "none", "all", "prior", "most_frequent"]
    full = table.row("TAV")
    assert full.thresholds == {"anger": 0.5, "joy": 0.75}
    assert full.per_emotion["anger"].f1 == pytest.approx(2 / 3)
    assert full.per_emotion["joy"].f1 == 1.0
    assert full.micro_f1 == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert full.per_emotion["joy"].auroc == 1.0
    assert table.row("T").average.f1 == 0.0
    assert table.positives == {"anger": 2, "joy": 2}
    assert (table.speakers, table.clusters) == (2, 3)
    with pytest.raises(DataError, match="no row"):
        table.row("VA")


def test_intervals_are_there_for_answerers_and_not_for_trivial_answers() -> None:
    table = table_of()
    low, high = table.row("TAV").intervals.average["f1"]
    assert low <= table.row("TAV").average.f1 <= high
    assert table.row("T").intervals is not None
    assert all(table.row(name).intervals is None for name in TRIVIAL)
    assert table_of(resampling=Resampling(resamples=0)).row("TAV").intervals is None
    alone = replace(TRUTH, speakers=("ann",) * 4)
    assert "two speakers" in table_of(truth=alone).caption
    assert "too narrow" in table.caption
    assert table_of().rows == table.rows  # seeded


def test_trivial_rows_are_what_anybody_can_answer() -> None:
    rng = np.random.default_rng(0)
    names = ("a", "b", "c")
    labels = rng.random((200, 3)) < [0.1, 0.5, 0.9]
    truth = Truth(ids=tuple(map(str, range(200))), speakers=(None,) * 200, emotions=names, labels=labels)
    prior = prior_of(labels, names, source="here")
    rates = labels.mean(0)
    model = replace(trivial_answers(200, names, prior)[0], name="model", trivial=False)
    table = make_table(name="x", truth=truth, answers=(model,), prior=prior, resampling=Resampling(resamples=0))
    none, everything, constant, favourite = (table.row(name) for name in TRIVIAL)
    assert none.average.accuracy == pytest.approx((1 - rates).mean())
    assert everything.average.f1 == pytest.approx((2 * rates / (1 + rates)).mean())
    assert none.average.weighted_accuracy == everything.average.weighted_accuracy == pytest.approx(0.5)
    assert constant.average.calibration_error == pytest.approx(0, abs=1e-12)
    assert constant.average.accuracy == pytest.approx(np.maximum(rates, 1 - rates).mean())
    assert favourite.title == "answer c"
    assert [favourite.per_emotion[e].f1 > 0 for e in names] == [False, False, True]
    for row in table.rows:  # none of them ranks anything
        assert row.average.auroc == 0.5
        assert row.average.average_precision == pytest.approx(rates.mean())


def test_single_label_corpora_get_the_one_answer() -> None:
    table = table_of()
    assert table.row("TAV").one_answer is None
    single = replace(TRUTH, labels=np.array([[1, 0], [0, 1], [0, 1], [1, 0]], dtype=bool))
    table = table_of(truth=single)
    assert table.row("TAV").one_answer.accuracy == 0.75
    assert table.row("none").one_answer.accuracy == 0.0
    assert table.row("most_frequent").one_answer.accuracy == 0.5
    assert table.confusion.kind == "confusion"


def test_what_nobody_carries_is_said() -> None:
    labels = TRUTH.labels.copy()
    labels[:, 1] = False
    assert "by all: 'joy'" in table_of(truth=replace(TRUTH, labels=labels)).caption
    assert "by all" not in table_of().caption


def test_json_and_print_hold_the_same_numbers() -> None:
    table = table_of()
    told = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert told["rows"][0]["average"]["f1"] == pytest.approx(5 / 6)
    assert told["rows"][0]["intervals"]["per_emotion"]["joy"]["f1"][1] == 1.0
    assert told["confusion"]["kind"] == "co-occurrence"
    for width in (80, 120):
        stream = io.StringIO()
        print_table(table, file=stream, width=width)
        text = stream.getvalue()
        assert text.startswith("warning: all 2 speakers of test are also in train")
        for words in ("83.3", "answer none", "answer the prior", "text + audio + visual"):
            assert words in text
        assert "50 % of" in " ".join(text.split())
        assert "chosen by hand" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= width


def test_many_emotions_with_long_names_stay_within_80_columns() -> None:
    names = tuple(f"[red]emotion number {i}" for i in range(20))
    labels = np.eye(20, dtype=bool)
    truth = Truth(ids=tuple(map(str, range(20))), speakers=(None,) * 20, emotions=names, labels=labels)
    wide = thresholded(
        name="scores",
        title="a title that is much longer than any column of a table can be",
        probabilities=labels * 0.8,
        emotions=names,
        thresholds=dict.fromkeys(names, 0.5),
        thresholds_from="here",
    )
    table = make_table(name="x", truth=truth, answers=(wide,), prior=prior_of(labels, names, source="here"))
    stream = io.StringIO()
    print_table(table, file=stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "[red]" in stream.getvalue()  # names are text, not markup


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        ids=("a", "b", "c"),
        faces=torch.randint(0, 255, (3, 3, 48, 48), generator=generator, dtype=torch.uint8),
        num_faces=torch.tensor([2, 1, 0]),
        chunks=torch.randn(2, 1, 128, 32, generator=generator),
        num_chunks=torch.tensor([1, 0, 1]),
        tokens=torch.randint(5, 20, (3, 4), generator=generator),
        token_mask=torch.ones(3, 4, dtype=torch.bool),
        present=torch.tensor([[True, True, True], [True, False, True], [False, True, False]]),
        labels=torch.tensor([[1.0, 0], [0, 1], [0, 0]]),
    )


def test_hidden_modalities_do_not_count(batch: Batch) -> None:
    torch.manual_seed(0)
    text = TextSettings(width=8, layers=1, heads=2, max_tokens=8, vocabulary_size=20)
    model = build_model(
        ModelSettings(emotions=EMOTIONS, width=2, feature_width=8, dim=8, heads=2, layers=1, text=text), tokenizer_size=20
    )
    model.train()
    got = answer_split(model=model, batches=[batch])
    assert model.training
    assert tuple(got.probabilities) == SUBSETS
    # Changing what is hidden changes nothing.
    other = replace(batch, faces=255 - batch.faces, chunks=batch.chunks + 1)
    again = answer_split(model=model, batches=[other])
    assert np.array_equal(got.probabilities["T"], again.probabilities["T"])
    assert not np.array_equal(got.probabilities["TAV"], again.probabilities["TAV"])
    # Utterance c has no words and no picture: those rows answer 0, and say so.
    assert got.unread == {"TAV": 0, "T": 1, "A": 1, "V": 1}
    assert (got.probabilities["T"][2] == 0).all()
    assert (got.probabilities["V"][2] == 0).all()
    assert (got.probabilities["A"][2] > 0).all()
    # And the answer to one subset is that of a batch that never had the rest.
    model.eval()
    with torch.no_grad():
        alone = model(replace(batch, present=batch.present & torch.tensor([False, True, False]))).logits.sigmoid()
    assert got.probabilities["A"][0] == pytest.approx(alone[0].numpy(), abs=1e-6)


def test_what_cannot_be_answered_is_refused(batch: Batch) -> None:
    model = build_model(ModelSettings(emotions=EMOTIONS, width=2, feature_width=8), tokenizer_size=20)
    with pytest.raises(DataError, match="split is empty"):
        answer_split(model=model, batches=[])
    with pytest.raises(DataError, match="no labels"):
        answer_split(model=model, batches=[replace(batch, labels=None)])
    for subset in ("X", "", "Tt"):
        with pytest.raises(DataError, match="no subset"):
            show_only(batch, subset)


@pytest.mark.parametrize(
    ("modalities", "titles"),
    [
        ("TAV", ["text + audio + visual", "text alone", "audio alone", "visual alone"]),
        ("TV", ["text + visual", "text alone", "visual alone"]),
        ("A", ["audio alone"]),
    ],
)
def test_rows_are_of_the_modalities_that_the_model_has(modalities: str, titles: list[str]) -> None:
    settings = ModelSettings(emotions=EMOTIONS, modalities=modalities, width=2, feature_width=8)
    model = build_model(settings, tokenizer_size=20)
    assert [subset_title(subset) for subset in subsets_of(model)] == titles
