"""``mesmer agree``: a result of ``mesmer analyze`` held against what people coded in the same video."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.errors import ConfigError, suggest

HELP = "hold an analysis against what people coded"
DESCRIPTION = "Say how a result of mesmer analyze agrees with human codes of the same video, and these with each other."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("result", metavar="RESULT", type=str, help="folder of an analysed file, or its analysis.json")
    parser.add_argument("codes", metavar="CODES", nargs="+", type=str, help="what people coded: .csv, or .eaf of ELAN")
    parser.add_argument("--people", metavar="NAMES", type=str, help="who is which face, such as 'Ada=1,Bea=2'")
    parser.add_argument("--words", metavar="WORDS", type=str, help="further words of coders, such as 'amused=happiness'")
    parser.add_argument("--emotions", metavar="NAMES", type=str, help="what coders could choose from; else what they chose")
    parser.add_argument(
        "--tiers", metavar="NAMES", type=str, help="tiers of an ELAN file that hold codes; else told by them"
    )
    parser.add_argument("--all-coded", action="store_true", help="what is in no code was looked at too and shows nothing")
    parser.add_argument("--shift-s", type=float, default=0.0, help="seconds to add to the times of all codes")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap; 0 makes no intervals")
    parser.add_argument("--seed", type=int, default=0, help="of the resamples")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--csv", action="store_true", help="print CSV and nothing else")


def run(arguments: Any) -> int:
    """Compare and print."""
    if arguments.json and arguments.csv:
        raise ConfigError("one form at a time", field="--csv", remedy="give --json or --csv")
    if not abs(arguments.shift_s) <= 1e6:
        raise ConfigError(f"{arguments.shift_s:g} s is not allowed", field="--shift-s", remedy="give seconds")

    from mesmer.analysis.agree import agree
    from mesmer.analysis.codes import EmotionWords, read_code_file
    from mesmer.analysis.rated import read_result
    from mesmer.evaluation.table import Resampling
    from mesmer.report.agreement_text import agreement_csv, agreement_json, print_agreement

    resampling = Resampling(resamples=arguments.resamples, seed=arguments.seed)
    result = read_result(arguments.result)
    words = EmotionWords(result.emotions, _pairs(arguments.words, "--words"))
    emotions = _names(arguments.emotions)
    for name in emotions:
        if name not in result.emotions:
            remedy = suggest(name, result.emotions)
            raise ConfigError(f"the model knows no '{name}'", field="--emotions", remedy=remedy)
    codes = [
        read_code_file(path, words=words, coder=coder, tiers=_names(arguments.tiers))
        for path, coder in zip(arguments.codes, _coders(arguments.codes), strict=True)
    ]
    agreement = agree(
        result,
        codes,
        people=_numbers(arguments.people),
        emotions=emotions,
        all_coded=arguments.all_coded,
        shift_s=arguments.shift_s,
        resampling=resampling,
    )
    if arguments.json:
        print(json.dumps(agreement_json(agreement), allow_nan=False))
    elif arguments.csv:
        sys.stdout.write(agreement_csv(agreement))
    else:
        print_agreement(agreement, file=sys.stdout)
    return 0


def _coders(paths: Sequence[str]) -> list[str]:
    """Return a name for whoever made each file: its own, or with its folder where two have the same."""
    names = [Path(path).stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(Path(path).with_suffix("")) for path in paths]
    if len(set(names)) < len(names):
        raise ConfigError("a file of codes is named twice", field="codes", remedy="name each once")
    return names


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _pairs(text: str | None, option: str) -> dict[str, str]:
    """Return ``a=b,c=d`` as a mapping."""
    found = {}
    for pair in _names(text):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not (name and sign and value):
            raise ConfigError(f"'{pair}' is no pair", field=option, remedy="write NAME=VALUE, with commas between pairs")
        found[name] = value
    return found


def _numbers(text: str | None) -> dict[str, int]:
    found = {}
    for name, value in _pairs(text, "--people").items():
        if not (value.isascii() and value.isdigit() and len(value) < 7):
            raise ConfigError(f"'{value}' is no number of a face", field="--people", remedy="write it as in 'Ada=1'")
        found[name] = int(value)
    return found
