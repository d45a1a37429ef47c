"""Splits as lists of ids: one text file per split with one id per line, as the paper's authors published theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mesmer.corpora.base import Corpus, LeftOut
from mesmer.corpora.text_files import Place, read_lines
from mesmer.errors import DataError
from mesmer.records import SPLITS

MAX_IDS = 5_000_000

NOT_IN_CORPUS = "the corpus has no such utterance"
IN_NO_LIST = "in no list of the split"

_WORDS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "valid": ("valid", "val", "dev"), "test": ("test",)}


@dataclass(frozen=True, kw_only=True)
class IdLists:
    """The ids of each split, in the order of the lists.

    Attributes:
        ids: split -> ids; no id stands twice.
        files: split -> the file its ids were read from.
    """

    ids: Mapping[str, tuple[str, ...]]
    files: Mapping[str, Path]

    def sizes(self) -> dict[str, int]:
        """Number of ids per split."""
        return {split: len(self.ids[split]) for split in SPLITS}


@dataclass(frozen=True, kw_only=True)
class ListedCorpus:
    """A corpus split by lists of ids.

    Attributes:
        corpus: only the listed utterances, each with its split. Its ``left_out`` holds the others, and the listed ids that
            the corpus does not have, so that every id of either side is accounted for.
        missing: the listed ids that are not utterances of the corpus, each with the list and the reason.
        unlisted: ids of the utterances that stand in no list.
    """

    corpus: Corpus
    missing: tuple[LeftOut, ...]
    unlisted: tuple[str, ...]


def read_id_lists(folder: str | Path) -> IdLists:
    """Read ``train_split.txt``, ``valid_split.txt`` and ``test_split.txt`` (or ``train.txt`` and so on).

    Raises:
        DataError: a list is missing, twice there or empty, a line is not an id, or an id stands twice (with file, line
            and field).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError("the folder of id lists does not exist", file=folder, remedy="give a folder of three lists")
    files = {split: _list_file(folder, split) for split in SPLITS}
    first: dict[str, Place] = {}
    ids: dict[str, tuple[str, ...]] = {}
    for split, file in files.items():
        found = []
        for place, line in read_lines(file):
            if not line.strip():
                continue
            name = place.name("id", line)
            if name in first:
                other = first[name]
                place.fail("id", f"'{name}' stands in line {other.line} of {other.file.name} already", "list each id once")
            if len(first) == MAX_IDS:
                place.fail("id", f"the lists hold more than {MAX_IDS} ids")
            first[name] = place
            found.append(name)
        if not found:
            raise DataError("the list is empty", file=file, field="line 1, id", remedy="write one id per line")
        ids[split] = tuple(found)
    return IdLists(ids=ids, files=files)


def apply_id_lists(corpus: Corpus, lists: IdLists) -> ListedCorpus:
    """Split a corpus by lists of ids, and tell which ids of either side the other does not have.

    Raises:
        DataError: no listed id is in the corpus.
    """
    split_of = {name: split for split in SPLITS for name in lists.ids[split]}
    listed = tuple(replace(u, split=split_of[u.id]) for u in corpus.utterances if u.id in split_of)
    if not listed and not any(row.id in split_of for row in corpus.left_out):
        example = lists.ids["train"][0]
        problem = f"no listed id, such as '{example}', is in the corpus '{corpus.name}'"
        raise DataError(problem, file=lists.files["train"].parent, field="id", remedy="are these lists of this corpus?")
    unlisted = tuple(u.id for u in corpus.utterances if u.id not in split_of)
    folder = str(lists.files["train"].parent)
    outside = tuple(LeftOut(id=name, file=folder, rule=IN_NO_LIST) for name in unlisted)
    removed = tuple(replace(row, listed=split_of.get(row.id)) for row in corpus.left_out)
    missing = _missing(corpus, lists, found={u.id for u in listed})
    nowhere = tuple(row for row in missing if row.rule == NOT_IN_CORPUS)
    return ListedCorpus(
        corpus=replace(corpus, utterances=listed, left_out=removed + nowhere + outside), missing=missing, unlisted=unlisted
    )


def _missing(corpus: Corpus, lists: IdLists, *, found: set[str]) -> tuple[LeftOut, ...]:
    reasons = {row.id: row.rule for row in corpus.left_out}
    return tuple(
        LeftOut(
            id=name,
            file=str(lists.files[split]),
            rule=f"left out: {reasons[name]}" if name in reasons else NOT_IN_CORPUS,
            listed=split,
        )
        for split in SPLITS
        for name in lists.ids[split]
        if name not in found
    )


def _list_file(folder: Path, split: str) -> Path:
    names = [f"{word}{ending}" for word in _WORDS[split] for ending in ("_split.txt", ".txt")]
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) != 1:
        problem = f"{len(found)} lists of the split '{split}'" if found else f"no list of the split '{split}'"
        raise DataError(problem, file=folder, field=split, remedy=f"name one list {split}_split.txt")
    return found[0]
