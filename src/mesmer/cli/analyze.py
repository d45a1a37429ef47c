"""``mesmer analyze``: who expressed what, when, in videos of any length."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesmer.cli.parser import Parser
from mesmer.cli.predict import MODEL_HELP, model_name
from mesmer.errors import ConfigError

HELP = "say who expresses what, when, in whole videos"
DESCRIPTION = "Find who speaks when in videos and sound files, and say which emotions each utterance expresses."


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """Add the arguments of this command."""
    parser.add_argument("files", metavar="VIDEO", nargs="+", help="video or sound files, or folders of them")
    parser.add_argument("--out", metavar="DIR", default="analyzed", help="folder of the results, one folder for each file")
    parser.add_argument("--model", metavar="RUN", help=MODEL_HELP)
    parser.add_argument("--transcript", metavar="FILE", help="what is said: .srt, .vtt or .txt; or a folder of such files")
    parser.add_argument(
        "--whisper", metavar="MODEL", help="else: model folder or name for faster-whisper, to write it down"
    )
    parser.add_argument("--language", metavar="CODE", help="language of the speech, for Whisper, such as en")
    parser.add_argument("--top-p", type=float, help="nucleus mass of the sparse blocks, in (0, 1]")
    parser.add_argument("--gaps", action="store_true", help="also say what faces express while nobody speaks")
    parser.add_argument("--blur-faces", action="store_true", help="write no picture of a face that is not blurred")
    parser.add_argument("--again", action="store_true", help="analyse also what is done already")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Analyse, write and print; 2 if a file could not be analysed."""
    if arguments.transcript is not None and arguments.whisper is not None:
        raise ConfigError("words come from one place", field="--whisper", remedy="give --transcript or --whisper")
    if arguments.language is not None and arguments.whisper is None:
        raise ConfigError("there is nothing to transcribe", field="--language", remedy="give --whisper as well")
    model = model_name(arguments.model)

    from mesmer.analysis.analyze import Analyzer
    from mesmer.analysis.asr import Whisper
    from mesmer.analysis.utterances import UtteranceSettings
    from mesmer.report.analysis_files import AnalyzedFile, analyze_files, find_files

    files = find_files(arguments.files, arguments.out)
    transcripts = None if arguments.transcript is None else Path(arguments.transcript)
    if transcripts is not None and not transcripts.exists():
        raise ConfigError("there is no such file or folder", file=transcripts, field="--transcript")
    whisper = None if arguments.whisper is None else Whisper(arguments.whisper, language=arguments.language)
    done: list[AnalyzedFile] = []
    settings = UtteranceSettings(gaps=arguments.gaps)
    with Analyzer(model, top_p=arguments.top_p, whisper=whisper, settings=settings) as analyzer:
        results = analyze_files(
            files,
            analyzer=analyzer,
            transcripts=transcripts,
            again=arguments.again,
            blur_faces=arguments.blur_faces,
            progress=_progress(sys.stderr.isatty()),
        )
        for one in results:
            if one.error is not None and len(files) == 1:
                raise one.error
            _print(one, quiet=arguments.json)
            done.append(one)
    failed = [one for one in done if one.error is not None]
    if arguments.json:
        entries = [
            {"file": str(one.path), "folder": str(one.folder), "error": None if one.error is None else str(one.error)}
            for one in done
        ]
        print(json.dumps({"files": entries}))
    elif len(files) > 1:
        print(f"{len(done) - len(failed)} of {len(done)} files analysed, in {arguments.out}")
    return 2 if failed else 0


def _print(one: Any, *, quiet: bool) -> None:
    from mesmer.report.analysis_text import print_analysis

    if one.error is not None:
        print(f"mesmer: failed: {one.error}", file=sys.stderr)
    elif quiet:
        return
    elif one.analysis is None:
        print(f"{one.path}: done before, in {one.folder}")
    else:
        print_analysis(one.analysis, file=sys.stdout)
        print(f"written to {one.folder}")


def _progress(terminal: bool) -> Any:
    """Return what shows the progress on a terminal, on one line."""

    def show(path: Path, done_s: float, of_s: float) -> None:
        share = 100 * done_s / max(of_s, 1e-9)
        end = "\r" if done_s < of_s - 1 else "\r\x1b[K"
        print(f"{path.name[:40]!a}: {done_s:.0f} of {of_s:.0f} s ({share:.0f} %)", end=end, file=sys.stderr, flush=True)

    return show if terminal else None
