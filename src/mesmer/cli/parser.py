"""The argument parser of every command: jsonargparse, with one-line errors that suggest what was meant."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, set_loader

from mesmer.errors import ConfigError, suggest
from mesmer.training.settings_file import parse_yaml

_YAML = "mesmer_yaml"


class Parser(ArgumentParser):
    """Reads a command line; what it cannot read is a ConfigError, printed by ``main`` as one line."""

    def __init__(self, **options: Any) -> None:
        set_loader(_YAML, parse_yaml, exceptions=(ConfigError,))
        super().__init__(**{"parser_mode": _YAML, "allow_abbrev": False, **options})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as a ConfigError with a remedy."""
        help_command = f"see {self.prog.replace(' [options]', '')} --help"
        unknown = re.search(r"nrecognized arguments?: (\S+)", message)
        if unknown:
            word = unknown[1].split("=")[0]
            options = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
            remedy = suggest(word, options) if word.startswith("-") else help_command
            close = remedy.startswith("did you mean")
            raise ConfigError(f"unknown argument '{word}'", remedy=remedy if close else help_command) from None
        missing = re.search(r"arguments are required: (.+)", message)
        if missing:
            names = ", ".join(f"'{name.split('.')[-1]}'" for name in missing[1].split(", "))
            raise ConfigError(f"missing: {names}", remedy=help_command) from None
        refused = re.match(r"Parser key \"([^\"]+)\":\s*(.*)", message, re.DOTALL)
        if refused:
            raise ConfigError(refused[2], field="--" + refused[1]) from None
        raise ConfigError(message.rstrip("."), remedy=help_command) from None
