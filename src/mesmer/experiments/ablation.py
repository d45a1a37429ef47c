"""What a model is worth with less to see and hear: Table 5 of the paper, and one checkpoint against seven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mesmer.errors import ConfigError
from mesmer.evaluation.seed_intervals import difference_of
from mesmer.experiments.comparison import result_of
from mesmer.experiments.paper_results import TABLE_5, TABLE_5_NOTE, on_same_data
from mesmer.experiments.recipes import Recipe, Recipes
from mesmer.experiments.result import Difference, Result, ResultRow, row_of
from mesmer.experiments.runs import Runs

SEVEN: tuple[str, ...] = ("TAV", "TA", "TV", "AV", "T", "A", "V")
"""The subsets of the modalities, in the order of Table 5."""

_ROWS: Mapping[str, tuple[str, ...]] = {"fe2e": SEVEN, "mesm": ("TAV", "TA", "TV")}
"""Without text, MESM has no query; the paper leaves those rows out."""

LEAST_MODALITY_DROPOUT = 0.25
"""Of the one checkpoint of :func:`missing_modalities`, where its settings have none."""


def ablate(runs: Runs, recipes: Recipes) -> Result:
    """Train FE2E on each of the seven subsets, and MESM on the three that have text and something to look at with it.

    Every row is a model of its own, trained on what it is tested on, as in the paper.

    Raises:
        MesmerError: settings are refused, or a run cannot be trained.
    """
    wanted = [(model, subset, recipes.read(model).on(subset)) for model, subsets in _ROWS.items() for subset in subsets]
    runs.need([recipe for _, _, recipe in wanted])
    runs.train([recipe for _, _, recipe in wanted])
    outcomes = [(model, subset, runs.outcome(recipe)) for model, subset, recipe in wanted]
    same = on_same_data("table5", runs.corpus, runs.dataset.emotions)
    rows = [
        row_of(
            outcome,
            title=f"{outcome.recipe.title}, {subset}",
            paper=TABLE_5[model, subset] if same else None,
        )
        for model, subset, outcome in outcomes
    ]
    return result_of(
        name="table5",
        title="Models trained on fewer modalities",
        runs=runs,
        first=outcomes[0][2],
        rows=rows,
        differences=[],
        notes=["T, A, V: text, audio, visual.", *([TABLE_5_NOTE] if same else [])],
        about="iemocap",
    )


def missing_modalities(runs: Runs, recipes: Recipes, *, model: str = "mesm") -> Result:
    """Hold one checkpoint, trained with modality dropout, against seven models each trained on one subset.

    The one has the modality dropout of its settings, or 0.25 where those have none; the seven have none. Both choose the
    thresholds of each subset on the validation split.

    Raises:
        ConfigError: the model has fewer than three modalities.
        MesmerError: settings are refused, a run cannot be trained, or features cannot be made.
    """
    recipe = recipes.read(model)
    if recipe.settings.model.modalities != "TAV":
        raise ConfigError(
            "the model must be given all modalities", file=recipes.folder / f"{model}.yaml", field="modalities"
        )
    runs.need([recipe])
    dropout = recipe.settings.model.modality_dropout or LEAST_MODALITY_DROPOUT
    one = recipe if recipe.settings.model.modality_dropout else recipe.changed(f"{model}-drop", modality_dropout=dropout)
    own = {subset: trained_on(recipe, subset) for subset in SEVEN}
    runs.train([one, *own.values()])
    hidden = runs.outcomes_by_subset(one, SEVEN)
    rows: list[ResultRow] = []
    differences = []
    for subset, alone in own.items():
        trained = runs.outcome(alone)
        ours = row_of(hidden[subset], title=f"{subset}, the one model")
        # What was counted is an answer with all modalities.
        rows += [ours if subset == "TAV" else replace(ours, cost=None), row_of(trained, title=f"{subset}, trained on it")]
        difference = difference_of(hidden[subset].numbers, trained.numbers)
        differences.append(Difference(title=f"{subset}: the one model less its own", average=difference))
    return result_of(
        name="missing",
        title=f"One model for all subsets of modalities, or seven ({one.title})",
        runs=runs,
        first=hidden["TAV"],
        rows=rows,
        differences=differences,
        notes=[
            f"The one model was trained with modality dropout {dropout:g}; modalities are hidden from it. The others were "
            "trained without, each given only these modalities. T, A, V: text, audio, visual.",
        ],
        about="iemocap",
    )


def trained_on(recipe: Recipe, subset: str) -> Recipe:
    """Return the recipe of a model for one subset, which needs no dropout of modalities."""
    return recipe.on(subset).changed(f"{recipe.name}-{subset}-own", modality_dropout=0.0)
