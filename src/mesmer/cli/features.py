"""``mesmer features``: hand-crafted features of a prepared dataset, for the two-phase models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.config import FeatureSettings
from mesmer.config_dict import from_dict, to_dict
from mesmer.errors import ConfigError, suggest

HELP = "compute hand-crafted features of a prepared dataset"
DESCRIPTION = "Compute hand-crafted features of a prepared dataset once, beside it, for the two-phase models."

SETS: dict[str, FeatureSettings] = {
    "paper": FeatureSettings(),
    "offline": FeatureSettings(text="corpus"),
    "openface": FeatureSettings(visual="openface"),
    "egemaps": FeatureSettings(audio="egemaps"),
}
"""Name -> settings: ``paper`` needs a file of GloVe's, ``offline`` nothing, ``openface`` and ``egemaps`` the user's own
tools."""


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("dataset", metavar="DATASET", help="prepared dataset")
    parser.add_argument("--set", default="paper", help="paper, offline, openface or egemaps")
    parser.add_argument("--text", type=str, help="glove or corpus, instead of the set's")
    parser.add_argument("--audio", type=str, help="paper or egemaps, instead of the set's")
    parser.add_argument("--visual", type=str, help="landmarks or openface, instead of the set's")
    parser.add_argument("--glove", type=str, help="file of word vectors, text or zip; else $MESMER_GLOVE")
    parser.add_argument(
        "--openface", type=str, help="folder of OpenFace's CSV files, ID.csv; else FeatureExtraction is run"
    )
    parser.add_argument("--text-width", type=int, help="numbers per word vector")
    parser.add_argument("--media", type=str, help="the corpus's folder, for running OpenFace")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--picture", metavar="ID", type=str, help="also draw the features of this utterance over time")
    parser.add_argument("--out", metavar="PNG", type=str, help="file of the picture")


def run(arguments: Any) -> int:
    """Compute, and say what came of it."""
    settings = settings_of(arguments)
    if bool(arguments.picture) != bool(arguments.out):
        raise ConfigError(
            "a picture needs an utterance and a file", field="--picture", remedy="give --picture ID --out PNG"
        )

    from mesmer.dataset.features import make_features
    from mesmer.dataset.prepared import PreparedDataset
    from mesmer.training.progress import Counter

    dataset = PreparedDataset.open(arguments.dataset)
    media = Path(arguments.media) if arguments.media else None
    with Counter("features", file=sys.stderr) as counter:
        files = make_features(dataset, settings, workers=arguments.workers, media=media, progress=counter)
    steps = ", ".join(f"{name} {count}" for name, count in files.facts.steps.items())
    print(f"steps: {steps}; in {files.folder}")
    unknown = ", ".join(f"{split} {100 * share:.1f} %" for split, share in files.facts.unknown_words.items())
    print(f"words without a vector ({settings.text}): {unknown}")
    if arguments.picture:
        from mesmer.report.feature_picture import draw_features, find_clip

        draw_features(find_clip(dataset.with_features(settings), arguments.picture), settings, Path(arguments.out))
        print(f"picture: {arguments.out}")
    return 0


def settings_of(arguments: Any) -> FeatureSettings:
    """Return the settings of a parsed command line.

    Raises:
        ConfigError: no set of that name, or a value is refused.
    """
    if arguments.set not in SETS:
        raise ConfigError(f"there is no set '{arguments.set}'", field="--set", remedy=suggest(arguments.set, SETS))
    named = {name: getattr(arguments, name) for name in ("text", "audio", "visual", "glove", "openface", "text_width")}
    given = {name: value for name, value in named.items() if value is not None}
    chosen = from_dict(FeatureSettings, to_dict(SETS[arguments.set]) | given, file="command line")
    return replace(chosen, glove=_absolute(chosen.glove), openface=_absolute(chosen.openface))


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path else ""
