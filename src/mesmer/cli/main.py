"""The command ``mesmer``: which command is asked for, and what an error looks like.

Exit codes: 0 done, 1 a strict audit found something wrong, 2 bad input or bad usage (one line on stderr), 130 stopped by
Ctrl-C. Nothing else is expected; a Python traceback is a defect of this project.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import mesmer
from mesmer.cli import (
    agree,
    analyze,
    audit,
    evaluate,
    experiment,
    explain,
    features,
    finetune,
    models,
    predict,
    prepare,
    report,
    sweep,
    train,
)
from mesmer.cli.parser import Parser
from mesmer.errors import ConfigError, MesmerError, suggest

COMMANDS = {
    "prepare": prepare,
    "audit": audit,
    "features": features,
    "train": train,
    "finetune": finetune,
    "evaluate": evaluate,
    "experiment": experiment,
    "sweep": sweep,
    "predict": predict,
    "analyze": analyze,
    "agree": agree,
    "report": report,
    "explain": explain,
    "models": models,
}

_HELP = "Which emotions are expressed in a video, from face, voice and words together."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after ``mesmer``; None takes them from the command line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forking loader processes would warn at every start
    try:
        return _run(words)
    except MesmerError as error:
        print(f"mesmer: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mesmer: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output left, as in `mesmer ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        raise ConfigError(f"there is no command '{name}'", remedy=suggest(name, COMMANDS))
    parser = Parser(prog="mesmer", description=_HELP)
    parser.add_argument("--version", action="version", version=f"mesmer {mesmer.__version__}")
    subcommands = parser.add_subcommands(
        required=True, dest="command", metavar="COMMAND", title="commands", description=None
    )
    for known, module in COMMANDS.items():
        command_parser = Parser(description=module.DESCRIPTION)
        subcommands.add_subcommand(known, command_parser, help=module.HELP)
        if known == name:  # the others are only names in the help
            module.add_arguments(command_parser, words)
    arguments = parser.parse_args(words)
    return COMMANDS[arguments.command].run(arguments[arguments.command])


if __name__ == "__main__":
    sys.exit(main())
