"""What must be said of a model because of the data it learnt from: who is in them, and what their licences ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesmer.corpora.sources import SOURCES


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """One data set, as a model card speaks of it.

    Attributes:
        title: its name.
        home: where it is; empty where nowhere.
        licence: in words.
        follows: what that means for whoever uses a model trained on it.
        people: who is in it, and who is not.
        spdx: licence that a model trained on it should carry; empty where the data ask for none.
        research_only: whether its terms keep it to research.
    """

    title: str
    home: str
    licence: str
    follows: str
    people: str
    spdx: str = ""
    research_only: bool = False


_KNOWN: Mapping[str, DataFacts] = {
    "ravdess": DataFacts(
        title="RAVDESS, speech (Livingstone and Russo 2018)",
        home=SOURCES["ravdess"].home,
        licence="CC BY-NC-SA 4.0",
        follows="Non-commercial use only, attributed, under the same terms; its authors sell a commercial licence.",
        people="24 professional actors, 12 women and 12 men, aged 21 to 33, North American English, two sentences, acted.",
        spdx="cc-by-nc-sa-4.0",
    ),
    "fer2013": DataFacts(
        title="FER2013 (Goodfellow et al. 2013, ICML challenge)",
        home=SOURCES["fer2013"].home,
        licence="given for the challenge and for research; the pictures were found by a search engine and belong to others",
        follows="Research use; nobody in the pictures was asked.",
        people="Faces found on the web, 48 x 48, grey, many posed and of people in the public eye; age, sex and origin "
        "were not recorded, and no group can be shown to be represented. Labels are one annotator's and often wrong.",
        research_only=True,
    ),
    "goemotions": DataFacts(
        title="GoEmotions (Demszky et al. 2020), Ekman labels",
        home=SOURCES["goemotions"].home,
        licence="Apache-2.0",
        follows="Free use with attribution.",
        people="Written English comments of Reddit's users, who are mostly young and male; raters from India. Written "
        "words are not spoken ones.",
    ),
    "synthetic": DataFacts(
        title="the synthetic corpus of this project",
        home="",
        licence="Apache-2.0, made by `mesmer prepare synthetic`",
        follows="Free use; it says nothing about people.",
        people="Nobody: faces are drawn, voices synthesised.",
        spdx="apache-2.0",
    ),
}
_ALIASES = {"ravdess_speech": "ravdess", "ravdess_clips": "ravdess", "go_emotions": "goemotions"}
_UNKNOWN = "Whoever publishes the model has to say."


def data_facts(name: str) -> DataFacts:
    """Return what is known of a data set; for one that is not known here, that its owner has to say it."""
    known = _ALIASES.get(name, name)
    if known in _KNOWN:
        return _KNOWN[known]
    if name in SOURCES:
        source = SOURCES[name]
        return DataFacts(
            title=source.title, home=source.home, licence=source.licence, follows="The same terms.", people=_UNKNOWN
        )
    return DataFacts(title=name, home="", licence=_UNKNOWN, follows=_UNKNOWN, people=_UNKNOWN)


def licence_of(names: Sequence[str]) -> str:
    """Return the licence that a model trained on these data should carry, an SPDX identifier in small letters, else
    ``other``.

    Non-commercial, share-alike data decide; drawn data alone leave the project's own licence.
    """
    asked = {data_facts(name).spdx for name in names}
    if "cc-by-nc-sa-4.0" in asked:
        return "cc-by-nc-sa-4.0"
    return "apache-2.0" if asked == {"apache-2.0"} else "other"


def use_of(names: Sequence[str]) -> str:
    """Return in one sentence what a model trained on these data may be used for."""
    facts = [data_facts(name) for name in names]
    never = "never to infer emotions at work or in education"
    if not facts:
        return f"what its maker says; {never}"
    if all(one.spdx == "apache-2.0" for one in facts):
        return "demonstration and tests; it says nothing about people"
    research = any(one.research_only for one in facts)
    unpaid = any(one.spdx == "cc-by-nc-sa-4.0" for one in facts)
    kind = {(True, True): "non-commercial research", (True, False): "research", (False, True): "non-commercial use"}
    return f"{kind.get((research, unpaid), 'what the licences of its data allow')}; {never}"
