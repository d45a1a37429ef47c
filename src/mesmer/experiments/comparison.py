"""Tables 3 and 4 of the paper: two end-to-end models and four on hand-crafted features, on one corpus."""

from __future__ import annotations

from collections.abc import Mapping

from mesmer.errors import ConfigError
from mesmer.evaluation.seed_intervals import difference_of
from mesmer.experiments.paper_results import METRIC_OF, TABLE_3, TABLE_4, on_same_data
from mesmer.experiments.recipes import SIX_MODELS, Recipes
from mesmer.experiments.result import (
    Difference,
    PaperNumbers,
    Result,
    ResultRow,
    empty_row,
    interval_note,
    notes_of,
    row_of,
    trivial_rows,
)
from mesmer.experiments.runs import Outcome, Runs

ABOUT: Mapping[str, str] = {"table3": "iemocap", "table4": "cmu_mosei"}
_PRINTED_P = {"table3": 0.7, "table4": 0.5}
_TITLES = {"iemocap": "IEMOCAP", "cmu_mosei": "CMU-MOSEI"}
_PRINTED: Mapping[str, Mapping[str, PaperNumbers]] = {"table3": TABLE_3, "table4": TABLE_4}
COST_NOTE = (
    "Millions of multiply-adds for a test utterance, and for a second of it (1 multiply-add = 2 FLOPs): of end-to-end "
    "models in their convolution branches, of the others in the whole network, without the making of their features."
)
PAPER_COST_NOTE = (
    "The paper's FLOPs per second (thousands of millions) fit no number of frames and chunks that it names, and are not to "
    "be compared with these."
)


def compare_models(name: str, runs: Runs, recipes: Recipes) -> Result:
    """Train and evaluate the six models; a model that lacks features or a text encoder is a row that says why.

    Args:
        name: ``table3`` or ``table4``.

    Raises:
        ConfigError: the data are those of the other table, or no model could be trained.
        MesmerError: settings are refused, or a run cannot be trained.
    """
    check_corpus(name, runs.corpus)
    read = {recipe.name: recipe for recipe in recipes.read_all()}
    missing = {model: reason for model, recipe in read.items() if (reason := runs.lacking(recipe))}
    ready = [recipe for model, recipe in read.items() if model not in missing]
    runs.train(ready)
    outcomes = {recipe.name: runs.outcome(recipe) for recipe in ready}
    if not outcomes:
        raise ConfigError("no model could be trained", file=recipes.folder, remedy=next(iter(missing.values())))
    same = on_same_data(name, runs.corpus, runs.dataset.emotions)
    printed = _PRINTED[name] if same else {}
    rows = [
        row_of(outcomes[model], paper=printed.get(model))
        if model in outcomes
        else empty_row(read[model].title, f"not run: {missing[model]}", paper=printed.get(model))
        for model in SIX_MODELS
    ]
    first = next(iter(outcomes.values()))
    return result_of(
        name=name,
        title=f"Six models on {_TITLES.get(runs.corpus, runs.corpus)}",
        runs=runs,
        first=first,
        rows=rows,
        differences=_differences(outcomes),
        notes=[COST_NOTE, *([f"The paper's MESM has p = {_PRINTED_P[name]:g}.", PAPER_COST_NOTE] if same else [])],
        about=ABOUT[name],
    )


def check_corpus(name: str, corpus: str) -> None:
    """Refuse the corpus of the paper's other table.

    Raises:
        ConfigError: it is.
    """
    other = next(table for table in ABOUT if table != name)
    if ABOUT[other] == corpus:
        raise ConfigError(
            f"{name} is about {_TITLES[ABOUT[name]]}, and these data are of {_TITLES[corpus]}", remedy=f"ask for {other}"
        )


def result_of(
    *,
    name: str,
    title: str,
    runs: Runs,
    first: Outcome,
    rows: list[ResultRow],
    differences: list[Difference],
    notes: list[str],
    about: str,
) -> Result:
    """Return a result with the trivial answers, and with what must be known to read it.

    Args:
        first: any of its outcomes, for what all have in common.
        about: the corpus whose metric stands first.
    """
    table = first.evaluations[0].table
    leading = METRIC_OF.get(runs.corpus, METRIC_OF[about])
    warnings = dict.fromkeys(warning for one in first.evaluations for warning in one.table.warnings)
    return Result(
        name=name,
        title=title,
        corpus=runs.corpus,
        utterances=table.utterances,
        speakers=table.speakers,
        metrics=tuple(dict.fromkeys((leading, "accuracy", "weighted_accuracy", "f1"))),
        emotions=table.emotions,
        positives=table.positives,
        seeds=runs.seeds,
        rows=(*rows, *trivial_rows(table)),
        differences=tuple(differences),
        notes=(
            *notes_of(table, runs.seeds),
            interval_note(first, resamples=runs.resampling.resamples),
            "Thresholds are chosen on the validation split for highest F1. The last rows answer without looking.",
            *notes,
        ),
        warnings=tuple(warnings),
    )


def _differences(outcomes: Mapping[str, Outcome]) -> list[Difference]:
    """Return MESM less FE2E, and FE2E less each other model."""
    pairs = [("mesm", "fe2e"), *(("fe2e", model) for model in SIX_MODELS[:4])]
    return [
        Difference(
            title=f"{outcomes[one].recipe.title} less {outcomes[other].recipe.title}",
            average=difference_of(outcomes[one].numbers, outcomes[other].numbers),
        )
        for one, other in pairs
        if one in outcomes and other in outcomes
    ]
