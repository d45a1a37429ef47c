"""Errors a user can read: what is wrong, in which file and field, and what to do about it.

Every error that bad input can cause is a :class:`MesmerError`. The command line prints it as one line and exits with
code 2; anything else that escapes is a defect of this project.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class MesmerError(Exception):
    """Bad input, told in one line: ``file: field: what is wrong; remedy``.

    Args:
        message: what is wrong, in the user's words.
        file: the file or folder it was found in.
        field: the field, column, option or line in that file.
        remedy: what the user can do.
    """

    def __init__(
        self, message: str, *, file: str | Path | None = None, field: str | None = None, remedy: str | None = None
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.field = field
        self.remedy = remedy
        place = "".join(f"{part}: " for part in (self.file, field) if part)
        text = f"{place}{message}" + (f"; {remedy}" if remedy else "")
        super().__init__(" ".join(text.split()))  # one line, whatever came in

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders in preparation workers; keyword arguments must survive it.
        return (_rebuild, (type(self), self.message, self.file, self.field, self.remedy, dict(self.__dict__)))


def _rebuild(
    cls: type[MesmerError],
    message: str,
    file: str | None,
    field: str | None,
    remedy: str | None,
    state: dict[str, object],
) -> MesmerError:
    error = cls.__new__(cls)
    MesmerError.__init__(error, message, file=file, field=field, remedy=remedy)
    error.__dict__.update(state)
    return error


class ConfigError(MesmerError):
    """A setting, option or preset that cannot be used."""


class MediaError(MesmerError):
    """A media file that cannot be read. ``kind`` says which way, so that callers can count and branch.

    Kinds: ``missing``, ``empty``, ``container`` (not a media container we read), ``corrupt``, ``limit`` (over a bound of
    :mod:`mesmer.media.limits`), ``timeout``, ``crash`` (the decoder process died), ``range`` (the requested times lie
    outside the file), ``no_streams``.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        file: str | Path | None = None,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, file=file, field=field, remedy=remedy)
        self.kind = kind


class DataError(MesmerError):
    """A corpus, manifest or prepared dataset that cannot be used."""


class StaleDatasetError(DataError):
    """A prepared dataset made with other settings than the ones asked for."""


class ModelError(MesmerError):
    """A saved model that is damaged, incomplete, of another version, or does not fit the data."""


class DependencyError(MesmerError):
    """An optional package is needed and not installed; the remedy names the command that installs it."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Remedy text for a misspelt word: the closest known one, else the list of them.

    >>> suggest("hapiness", ["anger", "happiness"])
    "did you mean 'happiness'?"
    """
    choices = list(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else "known: " + ", ".join(choices)
