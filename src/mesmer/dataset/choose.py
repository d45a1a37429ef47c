"""From a raw corpus to what shall be prepared of it: read, split as asked, perhaps cut down to a trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.id_lists import apply_id_lists, read_id_lists
from mesmer.corpora.registry import corpus_options, read_corpus
from mesmer.dataset.splits import LISTS, SplitChoice, assign_splits, split_by
from mesmer.errors import ConfigError
from mesmer.media.facts import MediaFacts
from mesmer.records import SPLITS, Utterance

PROBE = "probe"
"""The option by which a reader asks for facts about media files."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What shall be prepared.

    Attributes:
        corpus: its utterances, each with a split.
        missing: ids of the lists that are not among them, each with the reason.
        unlisted: ids of the utterances that stand in no list.
    """

    corpus: Corpus
    missing: tuple[LeftOut, ...] = ()
    unlisted: tuple[str, ...] = ()


def choose(
    name: str,
    source: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    lists: str | Path | None = None,
    split: SplitChoice | None = None,
    seed: int = 0,
    limit: int | None = None,
    probe: Callable[[Path], MediaFacts] | None = None,
) -> Chosen:
    """Read a corpus and choose what shall be prepared of it; nothing is decoded.

    Args:
        name: of the corpus (see :data:`~mesmer.corpora.registry.CORPORA`).
        source: its folder, or the manifest of one's own clips.
        options: of its reader.
        lists: a folder of lists of ids that are the splits.
        split: a rule that makes the splits, in place of those of the corpus.
        seed: of what is drawn.
        limit: take so many utterances at most, from the beginning of each split in proportion to its size.
        probe: asked for facts about media files, by readers that need them.

    Raises:
        ConfigError: an option is unknown, or two say different things.
        DataError: the corpus or the lists cannot be read, or the corpus cannot be split so.
    """
    if lists is not None and split is not None:
        raise ConfigError("lists of ids and a rule both make the splits", field="--split", remedy="give one of them")
    if limit is not None and limit < 1:
        raise ConfigError(f"the limit is {limit}", field="--limit", remedy="use 1 or more")
    read = dict(options or {})
    if probe is not None and PROBE in corpus_options(name):
        read[PROBE] = probe
    corpus = read_corpus(name, source, **read)
    chosen = Chosen(corpus=corpus)
    if lists is not None:
        listed = apply_id_lists(corpus, read_id_lists(lists))
        corpus = replace(listed.corpus, choices=replace(corpus.choices, split_rule=LISTS))
        chosen = Chosen(corpus=corpus, missing=listed.missing, unlisted=listed.unlisted)
    elif split is not None and corpus.utterances:
        chosen = Chosen(corpus=split_by(corpus, split, seed=seed))
    elif corpus.utterances:
        chosen = Chosen(corpus=_assigned(corpus, seed))
    return replace(chosen, corpus=_portable(_limited(chosen.corpus, limit)))


def _assigned(corpus: Corpus, seed: int) -> Corpus:
    utterances, rule = assign_splits(corpus.utterances, seed=seed)
    if rule == "given":
        return corpus
    return replace(corpus, utterances=utterances, choices=replace(corpus.choices, split_rule=rule, split_seed=seed))


def _limited(corpus: Corpus, limit: int | None) -> Corpus:
    """Return the corpus with ``limit`` utterances at most: the first of each split, at least one while there is room."""
    total = len(corpus.utterances)
    if limit is None or limit >= total:
        return corpus
    sizes = Counter(utterance.split for utterance in corpus.utterances)
    # Largest remainders, after one for each split: a trial that has no test is none.
    quota = {split: min(1, sizes[split]) for split in SPLITS}
    while sum(quota.values()) > limit:
        quota[next(split for split in reversed(SPLITS) if quota[split])] -= 1
    while sum(quota.values()) < limit:
        lacking = {s: sizes[s] / total - quota[s] / limit for s in SPLITS if quota[s] < sizes[s]}
        quota[max(lacking, key=lacking.__getitem__)] += 1
    kept: list[Utterance] = []
    for utterance in corpus.utterances:
        if utterance.split and quota[utterance.split]:
            quota[utterance.split] -= 1
            kept.append(utterance)
    return replace(corpus, utterances=tuple(kept), choices=replace(corpus.choices, limited_from=total))


def _portable(corpus: Corpus) -> Corpus:
    """Return the corpus with the files of its reasons named below its folder: a dataset says nothing about this machine."""
    root = corpus.root.absolute()

    def named(file: str) -> str:
        path = Path(file).absolute()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name

    return replace(corpus, left_out=tuple(replace(row, file=named(row.file)) for row in corpus.left_out))
