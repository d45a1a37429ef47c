"""``mesmer train``: settings from a preset, a file and the command line; one run in one folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.config import ModelSettings, RunSettings, TrainSettings
from mesmer.config_dict import from_dict
from mesmer.errors import ConfigError
from mesmer.training.settings_file import read_settings

HELP = "train a model on a prepared dataset"
DESCRIPTION = (
    "Train a model on a prepared dataset. Any setting can be overridden: --model.width 16. Several processes: torchrun."
)


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments; the defaults of ``--model.*`` and ``--train.*`` are those of the preset and file in ``words``."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--config")
    first.add_argument("--preset")
    try:
        named, _ = first.parse_known_args(list(words))
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from None
    base = read_settings(Path(named.config) if named.config else None, preset_name=named.preset)

    parser.add_argument("--data", type=str, required=True, help="prepared dataset")
    parser.add_argument("--run", type=str, required=True, help="folder of the run, new unless --resume")
    parser.add_argument("--config", type=str, help="YAML file of settings (see configs/)")
    parser.add_argument("--preset", type=str, help="paper or mesmer: what the file's settings stand on")
    parser.add_argument("--resume", action="store_true", help="go on with the run if it was begun")
    help_of_branches = "start branches with those of other runs: faces=RUN voices=RUN words=RUN (or --train.init_faces RUN)"
    parser.add_argument("--init-branches", metavar="PART=RUN", nargs="+", type=str, help=help_of_branches)
    parser.add_argument("--model", type=ModelSettings, default=base.model)
    parser.add_argument("--train", type=TrainSettings, default=base.train)


def run(arguments: Any) -> int:
    """Train and say where the files are."""
    settings = settings_of(arguments)

    from mesmer.training.run import train_model
    from mesmer.training.team import disband, is_first, was_restarted

    result = train_model(
        settings=settings,
        data=arguments.data,
        folder=arguments.run,
        resume=arguments.resume or was_restarted(),
        screen=sys.stderr,
    )
    if is_first():
        print(f"best epoch {result.best_epoch} of {result.epochs}: validation F1 {100 * result.best_f1:.1f}")
        print(f"model: {result.model}")
        print(f"next: mesmer evaluate {result.folder} --data {arguments.data}")
    disband()
    return 0


def settings_of(arguments: Any) -> RunSettings:
    """Return the settings of a parsed command line.

    Raises:
        ConfigError: a value is refused; names its option.
    """
    where = "command line"
    train = arguments.train.as_dict() | _branches(arguments.init_branches or ())
    return RunSettings(
        model=from_dict(ModelSettings, arguments.model.as_dict(), file=where, path="model"),
        train=from_dict(TrainSettings, train, file=where, path="train"),
    )


def _branches(words: Sequence[str]) -> dict[str, str]:
    """Return ``faces=RUN`` and its like as settings."""
    settings = {}
    for word in words:
        part, equals, run = word.partition("=")
        if part not in ("faces", "voices", "words") or not equals or not run:
            problem = f"'{word}' is not of the form PART=RUN"
            raise ConfigError(problem, field="--init-branches", remedy="such as faces=runs/faces")
        settings[f"init_{part}"] = run
    return settings
