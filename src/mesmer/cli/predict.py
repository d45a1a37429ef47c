"""``mesmer predict``: which emotions are expressed in one clip."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.errors import ConfigError
from mesmer.storage.reading import read_bytes

HELP = "say which emotions are expressed in a clip"
DESCRIPTION = "Say which emotions are expressed in a clip."

MODEL_HELP = "run, model folder, name (see mesmer models) or hub id; else $MESMER_MODEL, else default"

_LARGEST_TRANSCRIPT_BYTES = 1024 * 1024


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("clip", metavar="CLIP", help="video or sound file")
    parser.add_argument("--transcript", metavar="TEXT", help="what is said; or a file ending in .txt that holds it")
    parser.add_argument("--model", metavar="RUN", help=MODEL_HELP)
    parser.add_argument("--top-p", type=float, help="nucleus mass of the sparse blocks, in (0, 1]")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Predict and print."""
    model, transcript = model_name(arguments.model), read_transcript(arguments.transcript)

    from mesmer.analysis.predict import predict
    from mesmer.report.prediction_text import print_prediction

    prediction = predict(arguments.clip, model=model, transcript=transcript, top_p=arguments.top_p)
    if arguments.json:
        print(json.dumps(prediction.to_json()))
    else:
        print_prediction(prediction, file=sys.stdout)
    return 0


def model_name(named: str | None) -> str:
    """Return the model to use: the one named, else ``$MESMER_MODEL``, else the default.

    Raises:
        ModelError: there is none of these.
    """
    from mesmer.models.catalogue import DEFAULT, Catalogue

    name = named or os.environ.get("MESMER_MODEL")
    if name:
        return name
    Catalogue.here().folder(DEFAULT)  # says what to do where there is none
    return DEFAULT


def read_transcript(words: str | None) -> str | None:
    """Return the transcript; the content of the file if ``words`` is the name of one that ends in ``.txt``.

    Raises:
        ConfigError: the file is missing, too large or no text in UTF-8.
    """
    if words is None or not words.endswith(".txt"):
        return words
    if not Path(words).is_file():
        if len(words.split()) > 1:  # a sentence that happens to end so
            return words
        raise ConfigError("there is no such file", file=words, field="--transcript", remedy="give the words, or their file")
    try:
        return read_bytes(words, max_bytes=_LARGEST_TRANSCRIPT_BYTES, error=ConfigError).decode().strip()
    except UnicodeDecodeError:
        raise ConfigError("the transcript is not a text in UTF-8", file=words, remedy="save it as UTF-8") from None
