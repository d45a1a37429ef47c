"""What every corpus reader returns: the corpus as delivered, as a sequence of labelled utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesmer.emotions import check_label_set
from mesmer.errors import DataError
from mesmer.records import SPLITS, Clip, Utterance


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A row of the raw corpus that did not become an utterance.

    Attributes:
        id: of the utterance it would have been.
        file: the file in which the reason is found.
        rule: the rule that left it out, in plain words.
        listed: the split that a list of ids puts it in; None where no list names it.
    """

    id: str
    file: str
    rule: str
    listed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was chosen on the way from the corpus as delivered to these utterances, for the card of a dataset made of them.

    Attributes:
        options: option of the reader -> its value, where it is not the default.
        split_rule: how the splits were made; None where they are the corpus's own, or there are none yet.
        split_seed: seed of what was drawn.
        limited_from: utterances there were before a trial took some of them; None where it has them all.
        notes: sentences that belong above every number about these data.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    split_rule: str | None = None
    split_seed: int = 0
    limited_from: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A raw corpus: its label set and its utterances, nothing decoded.

    Attributes:
        name: short name, the same as ``Utterance.corpus`` of its utterances.
        emotions: the label set, in the order of label vectors made from it.
        utterances: in the corpus's own order; ids are unique.
        root: folder the corpus was read from.
        left_out: rows that did not become utterances, each with its reason; with ``utterances`` they make up every row.
        choices: how the utterances were chosen from the corpus as delivered.
        ready: gives the clip of an utterance where the corpus is delivered as pictures of faces or as sentences, so that
            nothing is left to decode; None where utterances are stretches of media files.

    Raises:
        DataError: the label set cannot be used, an id stands twice, a label is not in the label set, or a split has a
            name that is not known.
    """

    name: str
    emotions: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    root: Path
    left_out: tuple[LeftOut, ...] = ()
    choices: Choices = Choices()
    ready: Callable[[Utterance], Clip] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "emotions", check_label_set(self.emotions))
        object.__setattr__(self, "utterances", tuple(self.utterances))
        object.__setattr__(self, "left_out", tuple(self.left_out))
        known = set(self.emotions)
        seen: set[str] = set()
        for utterance in self.utterances:
            if utterance.id in seen:
                raise DataError(
                    f"the id '{utterance.id}' stands twice", file=self.root, field="id", remedy="make ids unique"
                )
            seen.add(utterance.id)
            for label in utterance.labels or ():
                if label not in known:
                    raise DataError(f"'{utterance.id}' has the unknown label '{label}'", file=self.root, field="labels")
            if utterance.split is not None and utterance.split not in SPLITS:
                raise DataError(
                    f"'{utterance.id}' is in the unknown split '{utterance.split}'", file=self.root, field="split"
                )

    def __len__(self) -> int:
        return len(self.utterances)

    def split_sizes(self) -> dict[str, int]:
        """Number of utterances per split; utterances without a split are not counted."""
        counts = Counter(utterance.split for utterance in self.utterances)
        return {name: counts[name] for name in SPLITS}
