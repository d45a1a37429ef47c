"""``mesmer experiment composite``: what fusion is worth, whether the data leak, and the answers against p."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mesmer.errors import ConfigError


def run_composite(arguments: Any, *, points: tuple[float, ...], command: str) -> int:
    """Study the model of ``arguments.run``, write and print what was found, and return the exit code.

    Raises:
        ConfigError: no model is named.
        MesmerError: it cannot be studied on these data.
    """
    if not arguments.run:
        raise ConfigError("missing: 'run'", remedy="name with --run the trained model to study")

    from mesmer.evaluation.table import Resampling
    from mesmer.experiments.composite import study_composite
    from mesmer.models.loading import load_model
    from mesmer.report.composite_study import study_grids, write_study
    from mesmer.report.experiment_files import print_grids
    from mesmer.training.run_folder import model_source

    study = study_composite(
        load_model(model_source(arguments.run)),
        data=arguments.data,
        points=points,
        resampling=Resampling(resamples=arguments.resamples),
        screen=sys.stderr,
    )
    print_grids(study_grids(study), study.notes, study.warnings, file=sys.stdout)
    for path in write_study(study, Path(arguments.out), command=command):
        print(f"composite: {path}")
    return 0
