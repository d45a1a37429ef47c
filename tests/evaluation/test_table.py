"""The table: hidden modalities are hidden, thresholds come from where the caption says, the trivial answers stand."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mesmer.config import ModelSettings, TextSettings
from mesmer.errors import DataError
from mesmer.evaluation.predictions import SUBSETS, SplitAnswers, answer_split, show_only
from mesmer.evaluation.table import Table, make_table, trivial_rows
from mesmer.models.registry import build_model
from mesmer.records import Batch
from mesmer.report.evaluation_table import print_table

EMOTIONS = ("anger", "joy")


def answers(probabilities: dict[str, list[list[float]]], labels: list[list[float]]) -> SplitAnswers:
    size = len(labels)
    return SplitAnswers(
        ids=tuple(f"u{i}" for i in range(size)),
        labels=np.array(labels, dtype=np.float32),
        probabilities={name: np.array(rows) for name, rows in probabilities.items()},
        logits={},
        read={name: np.ones(size, dtype=bool) for name in probabilities},
        multiply_adds=np.full(size, 30),
        dense_multiply_adds=np.full(size, 60),
    )


@pytest.fixture
def table() -> Table:
    labels = [[1, 0], [0, 0.5], [0, 0], [1, 1]]
    test = answers({"TAV": [[0.9, 0.2], [0.1, 0.8], [0.2, 0.7], [0.3, 0.9]], "T": [[0.1, 0.1]] * 4}, labels)
    valid = answers({"TAV": [[0.9, 0.9]] * 4, "T": [[0.3, 0.1], [0.1, 0.4], [0.1, 0.1], [0.3, 0.4]]}, labels)
    return make_table(
        split="test", emotions=EMOTIONS, answers=test, validation=valid, stored_thresholds={"anger": 0.5, "joy": 0.75}
    )


def test_rows_and_their_thresholds(table: Table) -> None:
    assert [row.name for row in table.rows] == ["TAV", "T", "none", "all"]
    full, text = table.row("TAV"), table.row("T")
    assert full.thresholds == {"anger": 0.5, "joy": 0.75}  # stored, not chosen again
    assert full.per_emotion["anger"].f1 == pytest.approx(2 / 3)
    assert full.per_emotion["joy"].f1 == 1.0
    assert text.thresholds == {"anger": pytest.approx(0.2), "joy": pytest.approx(0.25)}  # of validation, same subset
    assert text.average.f1 == 0.0
    assert table.row("none").average.f1 == 0.0
    assert table.row("all").per_emotion["joy"].f1 == pytest.approx(2 / 3)
    assert table.positives == {"anger": 2, "joy": 2}
    with pytest.raises(DataError, match="no row"):
        table.row("VA")


def test_trivial_rows_are_what_anybody_can_answer() -> None:
    labels = np.random.default_rng(0).random((200, 3)) < [0.1, 0.5, 0.9]
    none, everything = trivial_rows(labels, ("a", "b", "c"))
    rates = labels.mean(0)
    assert none.average.accuracy == pytest.approx((1 - rates).mean())
    assert everything.average.f1 == pytest.approx((2 * rates / (1 + rates)).mean())
    assert none.average.weighted_accuracy == everything.average.weighted_accuracy == pytest.approx(0.5)


def test_json_and_print_hold_the_same_numbers(table: Table) -> None:
    told = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert told["rows"][0]["average"]["f1"] == pytest.approx(5 / 6)
    assert told["utterances"] == 4
    for width in (60, 140):
        stream = io.StringIO()
        print_table(table, file=stream, width=width)
        text = stream.getvalue()
        assert "83.3" in text
        assert "answer none" in text
        assert "50 % of" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= width


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
