"""Splits: what belongs together stays together, shares as asked, the same for the same seed in whatever order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesmer.corpora.base import Corpus
from mesmer.dataset.splits import RULES, SHARES, assign_splits, parse_split, split_by, split_words
from mesmer.errors import ConfigError, DataError
from mesmer.records import SPLITS, Utterance


def utterances(speakers: list[str | None]) -> list[Utterance]:
    return [Utterance(id=f"u{n}", corpus="c", media="x", speaker=name) for n, name in enumerate(speakers)]


names = st.sampled_from("abcdefghij")


@given(st.lists(names | st.none(), min_size=1, max_size=60), st.integers(0, 5), st.randoms())
def test_laws(speakers: list[str | None], seed: int, random: object) -> None:
    made = utterances(speakers)
    split, rule = assign_splits(made, seed=seed)
    assert [replace(u, split=None) for u in split] == made
    assert {u.split for u in split} <= set(SPLITS)
    groups = len({u.speaker or u.id for u in made})
    assert rule == ("speaker" if any(speakers) and groups >= 3 else "utterance")
    if rule == "speaker":
        homes: dict[str, set[str | None]] = {}
        for u in split:
            homes.setdefault(u.speaker or u.id, set()).add(u.split)
        assert all(len(home) == 1 for home in homes.values())
    if len(made) >= 3:
        assert {u.split for u in split} == set(SPLITS)
    shuffled = made.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again, _ = assign_splits(shuffled, seed=seed)
    assert {u.id: u.split for u in again} == {u.id: u.split for u in split}


def test_shares_are_met_by_utterances() -> None:
    made = utterances([f"s{n % 40}" for n in range(2000)])
    split, rule = assign_splits(made, seed=1)
    counts = Counter(u.split for u in split)
    assert rule == "speaker"
    assert {name: counts[name] / 2000 for name in SPLITS} == pytest.approx(SHARES)
    uneven = utterances([f"s{n}" for n in range(30) for _ in range(1 + n * n)])
    counts = Counter(u.split for u in assign_splits(uneven, seed=1)[0])
    assert {name: counts[name] / len(uneven) for name in SPLITS} == pytest.approx(SHARES, abs=0.01)


def test_the_seed_decides_who_goes_where() -> None:
    made = utterances([f"s{n % 20}" for n in range(200)])
    tests = {frozenset(u.speaker for u in assign_splits(made, seed=seed)[0] if u.split == "test") for seed in range(8)}
    assert len(tests) > 4


def test_given_splits_stay_and_half_given_ones_are_refused() -> None:
    made = [replace(u, split="test") for u in utterances(["a", "a", "b"])]
    assert assign_splits(made, seed=9) == (tuple(made), "given")
    with pytest.raises(DataError, match="1 of 3 utterances have no split, 'u1'"):
        assign_splits([made[0], replace(made[1], split=None), made[2]])


# --- rules that somebody asks for --------------------------------------------------------------------------------------


def corpus(made: list[Utterance], name: str = "c") -> Corpus:
    return Corpus(name=name, emotions=("joy",), utterances=tuple(made), root=Path("r"))


@given(
    st.lists(st.tuples(names | st.none(), names, names), min_size=3, max_size=50),
    st.sampled_from(["random", "speaker", "dialogue", "video"]),
    st.sampled_from(["", ":70/10/20", ":34/33/33", ":80/0/20"]),
    st.integers(0, 3),
)
def test_a_rule_keeps_its_units_together_in_any_order(
    rows: list[tuple[str | None, str, str]], name: str, shares: str, seed: int
) -> None:
    made = [
        Utterance(id=f"u{n}", corpus="c", media=video, speaker=speaker, dialogue=dialogue, split="train")
        for n, (speaker, dialogue, video) in enumerate(rows)
    ]
    choice = parse_split(name + shares)
    unit = {"random": "id", "video": "media"}.get(name, name)
    units = {getattr(u, unit) or u.id for u in made}
    wanted = [split for split in SPLITS if choice.shares[split] > 0]
    known = any(getattr(u, unit) for u in made)
    if len(units) < len(wanted) or not known:
        with pytest.raises(DataError, match="--split"):
            split_by(corpus(made), choice, seed=seed)
        return
    found = split_by(corpus(made), choice, seed=seed)
    assert found.choices.split_rule == choice.rule
    assert [replace(u, split="train") for u in found.utterances] == made
    homes: dict[str, set[str | None]] = {}
    for u in found.utterances:
        homes.setdefault(getattr(u, unit) or u.id, set()).add(u.split)
    assert all(len(home) == 1 for home in homes.values())
    assert {u.split for u in found.utterances} == set(wanted)
    again = split_by(corpus(made[::-1]), choice, seed=seed)
    assert {u.id: u.split for u in again.utterances} == {u.id: u.split for u in found.utterances}


def test_the_papers_shares_come_out_to_the_utterance() -> None:
    made = [Utterance(id=f"u{n}", corpus="c", media="x") for n in range(7380)]
    counts = Counter(u.split for u in split_by(corpus(made), parse_split("random:70/10/20"), seed=4).utterances)
    assert counts == {"train": 5166, "valid": 738, "test": 1476}
    other = Counter(u.split for u in split_by(corpus(made), parse_split("random:12.5/12.5/75")).utterances)
    assert [other[split] for split in SPLITS] == pytest.approx([922.5, 922.5, 5535], abs=1)


@pytest.mark.parametrize(
    ("text", "fold", "told"),
    [
        ("sneaker", None, "did you mean 'speaker'?"),
        ("random:70/10", None, "three percentages"),
        ("random:70/10/30", None, "three percentages"),
        ("random:70/-10/40", None, "three percentages"),
        ("random:nan/10/20", None, "three percentages"),
        ("random:a/b/c", None, "three percentages"),
        ("speaker", 2, "folds are sessions"),
        ("leave-one-session-out", None, "--fold 1"),
        ("leave-one-session-out", 0, "--fold 1"),
        ("leave-one-session-out:70/10/20", 1, "has no shares"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(text: str, fold: int | None, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        parse_split(text, fold=fold)


def test_sessions_are_those_of_the_ids() -> None:
    ids = [f"Ses0{s}{a}_impro01_{b}000" for s in (1, 2, 3, 5) for a in "FM" for b in "FM"]
    made = [Utterance(id=name, corpus="iemocap", media=name[:-5], dialogue=name[:-5]) for name in ids]
    found = split_by(corpus(made, "iemocap"), parse_split("leave-one-session-out", fold=5))
    homes: dict[str, set[str | None]] = {}
    for u in found.utterances:
        homes.setdefault(u.id[:5], set()).add(u.split)
    assert homes == {"Ses05": {"test"}, "Ses01": {"valid"}, "Ses02": {"train"}, "Ses03": {"train"}}
    assert "session 5 is the test" in split_words(found.choices.split_rule or "", 0)
    with pytest.raises(ConfigError, match="session 4 is not here; sessions with utterances: 1, 2, 3, 5"):
        split_by(corpus(made, "iemocap"), parse_split("leave-one-session-out", fold=4))
    with pytest.raises(ConfigError, match="the ids of 'meld' name no sessions"):
        split_by(corpus(made, "meld"), parse_split("leave-one-session-out", fold=1))


def test_every_rule_has_words() -> None:
    drawn = ("random", "speaker", "dialogue", "video", "utterance", "speaker+dialogue")
    for rule in ("given", "lists", "leave-one-session-out:2", *drawn, *(f"{name}:70/10/20" for name in RULES)):
        words = split_words(rule, 7)
        assert words != rule
        assert ("seed 7" in words) == (rule.partition(":")[0] in drawn)


@given(st.lists(st.tuples(names, st.sampled_from("stuvwxyz") | st.none()), min_size=1, max_size=50), st.integers(0, 3))
def test_who_talks_together_stays_together_where_that_can_be(rows: list[tuple[str, str | None]], seed: int) -> None:
    made = [
        Utterance(id=f"u{n}", corpus="c", media="x", speaker=who, dialogue=where) for n, (who, where) in enumerate(rows)
    ]
    groups: list[set[str]] = []  # of speakers and dialogues, joined until nothing joins any more
    for who, where in rows:
        new = {f"speaker {who}", *([f"dialogue {where}"] if where else [])}
        touched = [group for group in groups if group & new]
        groups = [group for group in groups if not group & new] + [new.union(*touched)]
    found, rule = assign_splits(made, seed=seed)
    speakers = len({who for who, _ in rows})
    if len(groups) >= 3:
        assert rule == ("speaker" if len(groups) == speakers else "speaker+dialogue")
        for unit in ("speaker", "dialogue"):
            homes: dict[str, set[str | None]] = {}
            for u in found:
                if getattr(u, unit):
                    homes.setdefault(getattr(u, unit), set()).add(u.split)
            assert all(len(home) == 1 for home in homes.values())
    else:
        assert rule == ("speaker" if speakers >= 3 else "utterance")
    again, _ = assign_splits(made[::-1], seed=seed)
    assert {u.id: u.split for u in again} == {u.id: u.split for u in found}
