"""Which utterance is for training, for validation, for the test: by the corpus, by a rule, or by lists of ids.

A rule is written ``random:70/10/20``, ``speaker``, ``dialogue:80/10/10``, ``video`` or ``leave-one-session-out``. All but
``random`` keep together what belongs together, or the test would measure how well a face is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mesmer.corpora.base import Corpus
from mesmer.dataset.audit_ids import ID_UNITS
from mesmer.errors import ConfigError, DataError, suggest
from mesmer.records import SPLITS, Utterance

SHARES: Mapping[str, float] = {"train": 0.7, "valid": 0.1, "test": 0.2}
"""Share of the utterances that each split shall have, unless a rule says otherwise."""

SESSIONS = "leave-one-session-out"
COMPANY = "speaker+dialogue"
LISTS = "lists"
"""The rule that is told of splits by lists of ids."""

_UNITS: Mapping[str, Callable[[Utterance], str | None]] = {
    "random": lambda utterance: utterance.id,
    "speaker": lambda utterance: utterance.speaker,
    "dialogue": lambda utterance: utterance.dialogue,
    "video": lambda utterance: utterance.media,
}
RULES: tuple[str, ...] = (*_UNITS, SESSIONS)
"""Names of the rules."""


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """A rule, as asked for.

    Attributes:
        name: one of :data:`RULES`.
        shares: split -> share of the utterances; not of ``leave-one-session-out``.
        fold: of ``leave-one-session-out``: the session that is the test.
    """

    name: str
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    fold: int | None = None

    @property
    def rule(self) -> str:
        """The choice as one word, such as ``speaker:70/10/20`` or ``leave-one-session-out:3``."""
        if self.name == SESSIONS:
            return f"{self.name}:{self.fold}"
        return f"{self.name}:" + "/".join(f"{100 * self.shares[split]:g}" for split in SPLITS)


def parse_split(text: str, *, fold: int | None = None) -> SplitChoice:
    """Read a rule.

    Raises:
        ConfigError: it is no rule, its shares are not three percentages that add up to 100, or ``fold`` is missing or
            means nothing to it.
    """
    name, colon, shares = text.partition(":")
    if name not in RULES:
        raise ConfigError(f"there is no rule '{name[:60]}'", field="--split", remedy=suggest(name[:60], RULES))
    if name == SESSIONS:
        if colon:
            raise ConfigError(f"'{SESSIONS}' has no shares", field="--split", remedy="say which session with --fold N")
        if fold is None or fold < 1:
            raise ConfigError(f"'{SESSIONS}' needs a session", field="--fold", remedy="say which one is the test: --fold 1")
        return SplitChoice(name=name, fold=fold)
    if fold is not None:
        raise ConfigError("folds are sessions", field="--fold", remedy=f"use it with --split {SESSIONS}")
    return SplitChoice(name=name, shares=_shares(shares)) if colon else SplitChoice(name=name)


def _shares(text: str) -> dict[str, float]:
    try:
        percent = [float(part) for part in text.split("/")]
    except ValueError:
        percent = []
    if len(percent) != len(SPLITS) or not all(0 <= part <= 100 for part in percent) or abs(sum(percent) - 100) > 0.01:
        message = f"'{text[:60]}' is not three percentages that add up to 100"
        raise ConfigError(message, field="--split", remedy="write train/valid/test, such as random:70/10/20")
    return {split: part / 100 for split, part in zip(SPLITS, percent, strict=True)}


def split_by(corpus: Corpus, choice: SplitChoice, *, seed: int = 0) -> Corpus:
    """Return the corpus split by a rule; splits that it had are gone. The order of the utterances plays no part.

    What does not name its unit (a speaker who is unknown) is a unit of its own.

    Raises:
        DataError: the corpus cannot be split so: nothing names the unit, or there are too few units.
        ConfigError: the corpus has no sessions, or not this one.
    """
    if choice.name == SESSIONS:
        homes = _session_homes(corpus, choice)
    else:
        groups = _groups(corpus.utterances, choice.name)
        if groups is None:
            problem = f"no utterance names its {choice.name}"
            raise DataError(problem, file=corpus.root, field="--split", remedy="use another rule, such as random:70/10/20")
        wanted = sum(share > 0 for share in choice.shares.values())
        if len(set(groups.values())) < wanted:
            problem = f"there are {len(set(groups.values()))} of {choice.name} for {wanted} splits"
            raise DataError(problem, file=corpus.root, field="--split", remedy="use another rule")
        chosen = _deal(Counter(groups.values()), choice.shares, seed)
        homes = {name: chosen[group] for name, group in groups.items()}
    return replace(
        corpus,
        utterances=tuple(replace(utterance, split=homes[utterance.id]) for utterance in corpus.utterances),
        choices=replace(corpus.choices, split_rule=choice.rule, split_seed=seed),
    )


def assign_splits(utterances: Sequence[Utterance], *, seed: int = 0) -> tuple[tuple[Utterance, ...], str]:
    """Return the utterances, in their order, each with a split, and how it was chosen where nobody asked for a rule.

    Splits that the corpus gives stay (``given``). Else whole speakers are drawn from ``seed`` (``speaker``; someone unknown
    counts as a speaker of one utterance), with those they share dialogues with where that leaves enough groups
    (``speaker+dialogue``); whole dialogues where no speaker is known; or single utterances (``utterance``) where no split
    could have a unit of its own. The assignment does not depend on the order of the utterances.

    Raises:
        DataError: some utterances have a split and some have none.
    """
    without = [utterance.id for utterance in utterances if utterance.split is None]
    if not without:
        return tuple(utterances), "given"
    if len(without) < len(utterances):
        raise DataError(
            f"{len(without)} of {len(utterances)} utterances have no split, '{without[0]}' is the first",
            field="split",
            remedy="give every utterance a split, or none",
        )
    for rule in ("speaker", "dialogue"):
        groups = _groups(utterances, rule)
        if groups is not None:
            break
    if rule == "speaker" and groups is not None:
        together = _in_company(utterances, groups)
        if together != groups and len(set(together.values())) >= len(SPLITS):
            rule, groups = COMPANY, together
    if groups is None or len(set(groups.values())) < len(SPLITS):
        rule, groups = "utterance", {utterance.id: ("utterance", utterance.id) for utterance in utterances}
    chosen = _deal(Counter(groups.values()), SHARES, seed)
    return tuple(replace(u, split=chosen[groups[u.id]]) for u in utterances), rule


def split_words(rule: str, seed: int) -> str:
    """Return what a rule means, in words that follow "splits are"."""
    name, _, rest = rule.partition(":")
    drawn = f"drawn by {name}{f' ({rest} %)' if rest else ''} with seed {seed}"
    words = {
        "given": "as the corpus gives them",
        LISTS: "those of lists of ids",
        "random": f"{drawn.replace('by random', 'by utterance')}: the same person may be in several of them",
        "utterance": f"{drawn}: the same person may be in several of them",
        COMPANY: f"{drawn.replace('+', ' and ')}: who talks with whom stays together, nobody is in two of them",
        "speaker": f"{drawn}: nobody is in two of them",
        "dialogue": f"{drawn}: no dialogue is in two of them, the same person may be",
        "video": f"{drawn}: no media file is in two of them, the same person may be",
        SESSIONS: f"by session: session {rest} is the test, the one after it the validation, so nobody is in two of them",
    }
    return words.get(name, rule)


def _groups(utterances: Sequence[Utterance], unit: str) -> dict[str, tuple[str, str]] | None:
    """Return id -> its group; None where not one utterance names the unit."""
    name_of = _UNITS[unit]
    named = {utterance.id: name_of(utterance) for utterance in utterances}
    if not any(named.values()):
        return None
    return {name: (unit, group) if group else ("utterance", name) for name, group in named.items()}


def _in_company(utterances: Sequence[Utterance], groups: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the groups with those joined whose utterances share a dialogue; each bears the first of its names."""
    leader = {group: group for group in groups.values()}

    def led_by(group: tuple[str, str]) -> tuple[str, str]:
        while leader[group] != group:
            leader[group] = group = leader[leader[group]]
        return group

    first: dict[str, tuple[str, str]] = {}
    for utterance in utterances:
        if utterance.dialogue:
            group = groups[utterance.id]
            one, other = sorted((led_by(group), led_by(first.setdefault(utterance.dialogue, group))))
            leader[other] = one
    return {name: led_by(group) for name, group in groups.items()}


def _deal(sizes: Counter[tuple[str, str]], shares: Mapping[str, float], seed: int) -> dict[tuple[str, str], str]:
    """Give each group to the split that lacks most, large groups first, so that the shares come out as near as can be."""
    names = sorted(sizes)
    order = np.random.default_rng(seed).permutation(len(names))
    groups = sorted((names[i] for i in order), key=lambda group: -sizes[group])  # stable: equals stay shuffled
    lacking = {split: share * sizes.total() for split, share in shares.items() if share > 0}
    empty = set(lacking)
    chosen: dict[tuple[str, str], str] = {}
    for number, group in enumerate(groups):
        last_chance = len(groups) - number <= len(empty)  # no split stays empty while there are groups to fill it
        split = max((name for name in lacking if name in empty or not last_chance), key=lacking.__getitem__)
        chosen[group] = split
        lacking[split] -= sizes[group]
        empty.discard(split)
    return chosen


def _session_homes(corpus: Corpus, choice: SplitChoice) -> dict[str, str]:
    """Return id -> split: session ``fold`` is the test, the next one that is there the validation, the others train."""
    units, units_of = ID_UNITS.get(corpus.name, ((), lambda name: None))
    if "session" not in units:
        remedy = "use --split speaker, dialogue or video"
        raise ConfigError(f"the ids of '{corpus.name}' name no sessions", field="--split", remedy=remedy)
    session_of = {utterance.id: (units_of(utterance.id) or {}).get("session") for utterance in corpus.utterances}
    sessions = sorted({session for session in session_of.values() if session})
    numbers = [int(session[-1]) for session in sessions]
    if choice.fold not in numbers:
        there = ", ".join(map(str, numbers))
        raise ConfigError(f"session {choice.fold} is not here", field="--fold", remedy=f"sessions with utterances: {there}")
    if len(sessions) < len(SPLITS):
        problem = f"{len(sessions)} sessions are too few for training, validation and test"
        raise DataError(problem, file=corpus.root, field="--split", remedy="use --split dialogue")
    test = numbers.index(choice.fold)
    roles = {sessions[test]: "test", sessions[(test + 1) % len(sessions)]: "valid"}
    return {name: roles.get(session or "", "train") for name, session in session_of.items()}
