"""The dataset card: a README.md that people read and by which Hugging Face ``datasets`` finds the splits."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mesmer.config_dict import to_dict
from mesmer.corpora.sources import source_words
from mesmer.dataset.facts import PUBLIC_SPLITS, DatasetFacts
from mesmer.dataset.splits import split_words

CARD_FILE = "README.md"
RULES_SHOWN = 50

_COLUMNS = """\
| column | content |
|---|---|
| `id`, `speaker`, `dialogue` | names; null where unknown |
| `region`, `channel` | the part of the picture and the sound channel of who speaks: `full` and `mix`, or `left`, `right` |
| `media`, `start_s`, `end_s` | the file it came from, below the corpus's folder, and the stretch of it |
| `sound_media` | the file its sound came from, where that is another one |
| `text` | transcript, empty where there is none |
| `labels` | a score in [0, 1] per emotion, in the order above; null where unlabelled |
| `duration_s` | length of the utterance |
| `absent_text`, `absent_audio`, `absent_visual` | why a modality is missing; null where it is present |
| `warnings` | sentences about this utterance |
| `picture_end_s`, `sound_end_s` | where they end within the utterance; null where they go on, or are absent |
| `people` | most faces seen in one frame; null where nobody looked |
| `stamps_replaced` | time stamps that were missing or wrong; null where nobody looked |
| `faces` | S face crops, 48 x 48 RGB, one after another: `np.frombuffer(x, np.uint8).reshape(-1, 48, 48, 3)` |
| `face_times_s`, `face_boxes_px`, `face_found` | S times; S x 4 corners in the frame; False where the crop is the centre |
| `waveform` | 16-bit samples, mono, 16 kHz |
| `checksum` | CRC-32 of the row |
"""


def make_card(facts: DatasetFacts, removed: Mapping[str, int]) -> str:
    """Return the card of a prepared dataset; equal facts give an equal card.

    Args:
        facts: of the dataset.
        removed: rule -> rows of the corpus that it removed.
    """
    splits = {PUBLIC_SPLITS[name]: shards for name, shards in facts.shards.items() if shards}
    files = "".join(f"      - split: {name}\n        path: {name}-*.parquet\n" for name in splits)
    head = f"---\nconfigs:\n  - config_name: default\n    data_files:\n{files}---\n\n"
    title = json.dumps(facts.corpus, ensure_ascii=False)[1:-1]  # one line, whatever it is called
    counts = "".join(
        f"| {name} | {sum(shard.rows for shard in shards)} | {sum(shard.bytes for shard in shards) / 1e6:.1f} |\n"
        for name, shards in splits.items()
    )
    settings = "".join(f"| `{name}` | {value} |\n" for name, value in to_dict(facts.settings).items())
    settings += "".join(f"| `{_cell(name)}` of the reader | {_cell(value)} |\n" for name, value in facts.options.items())
    versions = ", ".join(f"{name} {version}" for name, version in facts.made_with.items())
    return (
        f"{head}# {title}, prepared by MESMER\n\n"
        "Utterances of people who speak, decoded once: face crops, sound and words, with the emotions that they\n"
        "*express*. Expressed is not felt, and labels are what annotators saw and heard.\n\n"
        f"{_notes(facts)}"
        f"## Source\n\n{source_words(facts.corpus)}\n\n"
        f"## Content\n\nEmotions: {', '.join(facts.emotions)}.\n\n"
        f"| split | utterances | MB |\n|---|---|---|\n{counts}\n"
        f"Splits are {split_words(facts.split_rule, facts.split_seed)}. "
        f"{facts.rows_in} rows came in, {facts.rows_out} are here, {facts.quarantined} are in `quarantine.jsonl`, each "
        f"with its reason.{_limited(facts)}\n\n"
        f"{_removed(removed)}"
        "```python\nimport datasets\n\nutterances = datasets.load_dataset(FOLDER)  # memory-mapped\n```\n\n"
        f"## Columns\n\n{_COLUMNS}\n"
        f"## Settings\n\n| setting | value |\n|---|---|\n{settings}\n"
        f"Made with {versions}. `dataset.json` holds the hashes of all files.\n"
    )


def _notes(facts: DatasetFacts) -> str:
    return "".join(f"> **Note:** {_cell(note)}.\n\n" for note in facts.notes)


def _limited(facts: DatasetFacts) -> str:
    if facts.limited_from is None:
        return ""
    return f" This is a trial: only some of the corpus's {facts.limited_from} utterances were asked for."


def _removed(removed: Mapping[str, int]) -> str:
    """A table of what was removed, the most frequent rule first."""
    if not removed:
        return ""
    rows = sorted(removed.items(), key=lambda rule: (-rule[1], rule[0]))
    lines = "".join(f"| {_cell(rule)} | {count} |\n" for rule, count in rows[:RULES_SHOWN])
    if len(rows) > RULES_SHOWN:
        lines += f"| {len(rows) - RULES_SHOWN} rules more | {sum(count for _, count in rows[RULES_SHOWN:])} |\n"
    return f"| removed because | rows |\n|---|---|\n{lines}\n"


def _cell(text: str) -> str:
    """Text of a stranger's file, for a cell of a table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
