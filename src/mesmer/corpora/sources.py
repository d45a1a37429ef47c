"""Where each corpus comes from and what its owners ask of you. MESMER delivers none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Source:
    """The origin of a corpus.

    Attributes:
        title: its full name.
        home: where it is described and asked for.
        licence: under which terms it is given, and by whom.
        cite: the publication its owners ask you to name.
    """

    title: str
    home: str
    licence: str
    cite: str


_OWN_ENTRY: Mapping[str, Source] = {
    "iemocap": Source(
        title="IEMOCAP, Interactive Emotional Dyadic Motion Capture Database",
        home="https://sail.usc.edu/iemocap/",
        licence="the release form of the SAIL laboratory, University of Southern California: ask there; for research, not "
        "to be passed on",
        cite="Busso et al., IEMOCAP: interactive emotional dyadic motion capture database, Language Resources and "
        "Evaluation 42, 2008",
    ),
    "cmu_mosei": Source(
        title="CMU-MOSEI, CMU Multimodal Opinion Sentiment and Emotion Intensity",
        home="http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/",
        licence="the terms of the MultiComp laboratory, Carnegie Mellon University: ask there for the raw data; the videos "
        "belong to those who published them on YouTube",
        cite="Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion "
        "Graph, ACL 2018",
    ),
    "meld": Source(
        title="MELD, Multimodal EmotionLines Dataset",
        home="https://affective-meld.github.io/",
        licence="GPL-3.0 for the annotations; the clips are of a television series and belong to its owners",
        cite="Poria et al., MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, ACL 2019",
    ),
    "ravdess": Source(
        title="RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song",
        home="https://doi.org/10.5281/zenodo.1188976",
        licence="CC BY-NC-SA 4.0; for other uses ask its authors for a commercial licence",
        cite="Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), PLoS ONE "
        "13(5), 2018",
    ),
    "crema_d": Source(
        title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
        home="https://github.com/CheyneyComputerScience/CREMA-D",
        licence="Open Database License (ODbL) 1.0 for the database, Database Contents License for what is in it",
        cite="Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective "
        "Computing 5(4), 2014",
    ),
    "fer2013": Source(
        title="FER2013, the faces of the ICML 2013 challenge in representation learning",
        home="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
        licence="given for research in the challenge; the pictures were found by a search engine and belong to whoever "
        "made them: not for commercial use",
        cite="Goodfellow et al., Challenges in Representation Learning: A report on three machine learning contests, "
        "ICONIP 2013",
    ),
    "goemotions": Source(
        title="GoEmotions, comments of Reddit with fine-grained emotions",
        home="https://github.com/google-research/google-research/tree/master/goemotions",
        licence="Apache-2.0",
        cite="Demszky et al., GoEmotions: A Dataset of Fine-Grained Emotions, ACL 2020",
    ),
}
SOURCES: Mapping[str, Source] = {**_OWN_ENTRY, "ravdess_speech": _OWN_ENTRY["ravdess"]}
"""Name of a corpus -> its origin; the voices of RAVDESS share that of RAVDESS."""

_MADE_HERE = "Drawn faces and made voices: no person is seen or heard, and nobody's leave is needed."
_COMPOSITE = (
    "Made of three other prepared datasets, named by their fingerprints among the settings below: what their owners ask of "
    "you, you owe for this one too."
)
_OWN_CLIPS = "Your own clips: whoever is seen or heard in them must have agreed, and their licence is yours to know."


def source_words(corpus: str) -> str:
    """Return what the card of a dataset says of its corpus's origin and licence, in Markdown."""
    if corpus not in SOURCES:
        return {"synthetic": _MADE_HERE, "composite": _COMPOSITE}.get(corpus, _OWN_CLIPS)
    source = SOURCES[corpus]
    return (
        f"{source.title} ({source.home}).\n\n"
        f"Licence: {source.licence}. What is derived from it, as this folder is, falls under the same terms.\n\n"
        f"Cite: {source.cite}."
    )
