"""The model card: Markdown with YAML front matter, as the Hugging Face hub reads it, made from facts; or a person's,
checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mesmer.errors import ConfigError
from mesmer.models.base import EmotionModel
from mesmer.models.provenance import Provenance
from mesmer.report.data_facts import data_facts
from mesmer.training.settings_file import parse_yaml

SECTIONS: tuple[str, ...] = (
    "Intended use",
    "Where it must not be used",
    "Data and licences",
    "Numbers",
    "Limits",
    "Who is not in the data",
)
"""Headings that every card has."""

FRONT_MATTER: tuple[str, ...] = ("license", "datasets", "metrics")
NUMBERS_MARK = "<!-- numbers -->"
"""Where a person's card wants the tables of numbers."""

_MODALITY = {"T": "words", "A": "voice", "V": "face"}

_INTENDED = """\
Saying which emotions are *expressed* in a short stretch of speech, from face, voice and words or any of them, each with a
calibrated probability, a stored threshold and a note where it is too near to call. Expressed is not felt: nobody's inner
state is measured. It suits research on expression, the exploration of recordings whose speakers agreed to it, and teaching
how such models work and fail. A person should look at whatever follows from it.
"""

_FORBIDDEN = """\
- **At work and in education.** The EU's AI Act, Regulation (EU) 2024/1689, Article 5(1)(f), prohibits AI systems that infer
  the emotions of people in the workplace and in educational institutions, except for medical or safety reasons. Elsewhere
  in the EU emotion recognition is a high-risk use (Annex III) and the people concerned must be told (Article 50(3)).
- For decisions about a person: hiring, grading, policing, borders, insurance, credit, diagnosis, or as a detector of lies.
- On people who do not know of it or did not agree to it, and on children.
- Against the licences of the data it learnt from, below.
"""

_LIMITS = """\
It knows the few words its labels have, and none for irony, culture or context; neutral faces of some people look angry or
sad to such models. Acted emotion is stronger than what people show unasked. One speaker at a time, English words, faces
of 48 x 48 pixels. Scores of different people should not be compared: error rates differ between people and were not
measured for groups. Probabilities are calibrated on data like the training data and on nothing else.
"""


def make_card(provenance: Provenance, model: EmotionModel) -> str:
    """Return the card of a model; equal facts give an equal card."""
    who = "".join(f"- {data_facts(name).title}: {data_facts(name).people}\n" for name in provenance.trained_on)
    sections = {
        "Intended use": f"{_INTENDED}\nIn short: {provenance.use}.\n",
        "Where it must not be used": _FORBIDDEN,
        "Data and licences": _data(provenance),
        "Numbers": numbers_tables(provenance.numbers),
        "Limits": _LIMITS,
        "Who is not in the data": (
            f"{who or 'Its maker has not said who is in the data.'}\n"
            "Whoever is not named is not known to be in the data: children and old people, most languages and dialects,\n"
            "people whose faces move differently, for instance after a stroke, and people who sign rather than speak.\n"
        ),
        "Thresholds, calibration, abstention": _decisions(model),
        "How to load": (
            "```python\nimport mesmer\n\n"
            'mesmer.analyze("talk.mp4", model="FOLDER")  # the folder this card is in\n```\n\n'
            "Nothing is fetched: text encoder and vocabulary are inside. `hashes.json` finds damage; it does not prove\n"
            "who made the files.\n"
        ),
    }
    body = "".join(f"## {heading}\n\n{text.rstrip()}\n\n" for heading, text in sections.items())
    summary = f"{provenance.summary}\n\n" if provenance.summary else ""
    return f"{_front_matter(provenance)}# {provenance.name}\n\n{summary}{_outline(model)}\n{body}".rstrip() + "\n"


def check_card(text: str, *, file: str) -> None:
    """Refuse a card that leaves out what whoever uses the model must know.

    Raises:
        ConfigError: names the field of the front matter or the section that is missing.
    """
    found = re.match(r"\A---\n(.*?\n)---\n", text.replace("\r\n", "\n"), re.DOTALL)
    if found is None:
        raise ConfigError(
            "the card has no front matter", file=file, remedy="begin with --- and the fields license, datasets"
        )
    values = parse_yaml(found[1])
    for field in FRONT_MATTER:
        if not isinstance(values, dict) or not values.get(field):
            raise ConfigError("the front matter lacks this field", file=file, field=field, remedy=f"add `{field}: ...`")
    headings = {line.lstrip("#").strip().lower() for line in text.splitlines() if line.startswith("#")}
    for section in SECTIONS:
        if section.lower() not in headings:
            raise ConfigError("the card lacks a section", file=file, field=section, remedy=f"add `## {section}`")


def with_numbers(card: str, numbers: Sequence[Mapping[str, Any]]) -> str:
    """Return a person's card with the tables in the place of ``NUMBERS_MARK``."""
    return card.replace(NUMBERS_MARK, numbers_tables(numbers).rstrip())


def numbers_tables(numbers: Sequence[Mapping[str, Any]]) -> str:
    """Return results as Markdown tables, each value with its 95 % interval where there is one."""
    if not numbers:
        return "None were measured.\n"
    text = ""
    for table in numbers:
        text += f"{table['title']}\n\n| answer | measure | value | 95 % interval |\n|---|---|---|---|\n"
        for row in table["rows"]:
            ends = "" if row.get("low") is None else f"{row['low']:.3f} to {row['high']:.3f}"
            text += f"| {_cell(row['name'])} | {_cell(row['metric'])} | {row['value']:.3f} | {ends} |\n"
        text += "\n"
    return text


def _front_matter(provenance: Provenance) -> str:
    listed = "".join(f"- {json.dumps(name)}\n" for name in provenance.trained_on) or "- unknown\n"
    return (
        f"---\nlicense: {provenance.license}\nlibrary_name: mesmer\npipeline_tag: video-classification\nlanguage:\n- en\n"
        "tags:\n- emotion-recognition\n- multimodal\n- sparse\n"
        f"datasets:\n{listed}metrics:\n- f1\n- accuracy\n- roc_auc\n---\n\n"
    )


def _outline(model: EmotionModel) -> str:
    settings = model.settings
    weights = sum(parameter.numel() for parameter in model.parameters())
    read = ", ".join(_MODALITY[letter] for letter in settings.modalities)
    encoder = "" if model.text_encoder is None else f" Text encoder: `{_cell(settings.text.encoder)}`, inside."
    return (
        f"Network `{settings.name}`, {weights / 1e6:.1f} M weights; reads {read}, any subset of them; tells apart "
        f"{', '.join(settings.emotions)}.{encoder}\n"
    )


def _data(provenance: Provenance) -> str:
    rows = ""
    for name in provenance.trained_on:
        facts = data_facts(name)
        home = f"[{facts.title}]({facts.home})" if facts.home else facts.title
        rows += f"| {home} | {facts.licence} | {facts.follows} |\n"
    table = (
        f"| data | licence | what follows for use |\n|---|---|---|\n{rows}\n" if rows else "Its data were not named.\n\n"
    )
    return (
        f"{table}The weights are given under `{provenance.license}`. They may be used for: {provenance.use}.\n"
        "Licences of parts that were made elsewhere stand in the files `*_NOTICE.txt` beside this card.\n"
    )


def _decisions(model: EmotionModel) -> str:
    rows = "".join(
        f"| {_cell(name)} | {model.thresholds[name]:.3f} | {one.temperature:.3f} | {one.offset:.3f} | "
        f"{model.unsure_margins[name]:.3f} |\n"
        for name, one in model.calibration.items()
    )
    return (
        "Probability = sigmoid(logit / temperature + offset); an emotion is decided for from its threshold on, and called\n"
        "unsure where its log-odds are nearer to the threshold's than the margin. All were fitted on validation.\n\n"
        f"| emotion | threshold | temperature | offset | margin |\n|---|---|---|---|---|\n{rows}"
    )


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
