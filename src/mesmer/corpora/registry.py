"""Every raw corpus that can be read, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mesmer.corpora.base import Corpus
from mesmer.corpora.cmu_mosei import read_cmu_mosei
from mesmer.corpora.crema_d import read_crema_d
from mesmer.corpora.fer2013 import read_fer2013
from mesmer.corpora.folder import read_folder
from mesmer.corpora.goemotions import read_goemotions
from mesmer.corpora.iemocap import read_iemocap
from mesmer.corpora.meld import read_meld
from mesmer.corpora.ravdess import read_ravdess
from mesmer.corpora.ravdess_speech import read_ravdess_speech
from mesmer.errors import ConfigError, suggest

CORPORA: Mapping[str, Callable[..., Corpus]] = {
    "folder": read_folder,
    "iemocap": read_iemocap,
    "cmu_mosei": read_cmu_mosei,
    "meld": read_meld,
    "ravdess": read_ravdess,
    "crema_d": read_crema_d,
    "fer2013": read_fer2013,
    "ravdess_speech": read_ravdess_speech,
    "goemotions": read_goemotions,
}
"""Name -> reader. A reader takes the folder of the corpus (``folder``: the manifest) and its own keyword options."""


def read_corpus(name: str, source: str | Path, /, **options: Any) -> Corpus:
    """Read a corpus by name.

    Args:
        name: key of :data:`CORPORA`.
        source: folder of the corpus as delivered, or the manifest of one's own clips.
        options: keyword options of the reader, see :func:`corpus_options`.

    Raises:
        ConfigError: the corpus, or an option of it, is not known.
        DataError: the corpus cannot be read.
    """
    known = corpus_options(name)
    for option in options:
        if option not in known:
            remedy = suggest(option, known) if known else "it has no options"
            raise ConfigError(f"the corpus '{name}' has no option '{option}'", field=option, remedy=remedy)
    corpus = CORPORA[name](Path(source), **options)
    told = {option: str(value) for option, value in options.items() if value != known[option] and not callable(value)}
    return replace(corpus, choices=replace(corpus.choices, options=told))


def corpus_options(name: str) -> dict[str, Any]:
    """Return the keyword options of a corpus, each with its default.

    Raises:
        ConfigError: the corpus is not known.
    """
    if name not in CORPORA:
        raise ConfigError(f"there is no corpus '{name}'", field="corpus", remedy=suggest(name, CORPORA))
    parameters = inspect.signature(CORPORA[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
