"""``mesmer analyze``: who expressed what, when, in videos of any length."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesmer.cli.parser import Parser
from mesmer.cli.predict import MODEL_HELP, model_name
from mesmer.errors import ConfigError

if TYPE_CHECKING:
    from mesmer.analysis.recipe import AnalyzerRecipe
    from mesmer.report.analysis_files import AnalyzedFile

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
    parser.add_argument(
        "--budget", metavar="COST", type=str, help="in multiples of real time, such as 0.5x; chooses settings"
    )
    parser.add_argument("--gaps", action="store_true", help="also say what faces express while nobody speaks")
    parser.add_argument("--blur-faces", action="store_true", help="write no picture of a face that is not blurred")
    parser.add_argument("--workers", type=int, help="files at a time (1; on Ray as many as it has processors)")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="processes here, or a Ray cluster")
    parser.add_argument("--address", type=str, help="of the Ray cluster; else one starts on this machine")
    parser.add_argument("--again", action="store_true", help="analyse also what is done already")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: Any) -> int:
    """Analyse, write and print; 2 if a file could not be analysed."""
    if arguments.transcript is not None and arguments.whisper is not None:
        raise ConfigError("words come from one place", field="--whisper", remedy="give --transcript or --whisper")
    if arguments.language is not None and arguments.whisper is None:
        raise ConfigError("there is nothing to transcribe", field="--language", remedy="give --whisper as well")
    if arguments.budget is not None and arguments.top_p is not None:
        raise ConfigError("a budget chooses top_p", field="--budget", remedy="give --budget or --top-p")
    if arguments.address is not None and arguments.engine != "ray":
        raise ConfigError("an address is of a Ray cluster", field="--address", remedy="add --engine ray")
    if arguments.workers is not None and arguments.workers < 1:
        raise ConfigError(f"{arguments.workers} workers", field="--workers", remedy="use 1 or more")
    model = model_name(arguments.model)

    from mesmer.analysis.budget import read_budget
    from mesmer.analysis.recipe import AnalyzerRecipe
    from mesmer.report.analysis_files import find_files

    budget = None if arguments.budget is None else read_budget(arguments.budget)

    files = find_files(arguments.files, arguments.out)
    transcripts = None if arguments.transcript is None else Path(arguments.transcript)
    if transcripts is not None and not transcripts.exists():
        raise ConfigError("there is no such file or folder", file=transcripts, field="--transcript")
    recipe = AnalyzerRecipe(
        model=model,
        top_p=arguments.top_p,
        whisper=arguments.whisper,
        language=arguments.language,
        gaps=arguments.gaps,
        budget=budget,
    ).absolute()
    done: list[AnalyzedFile] = []
    for one in _results(files, recipe, transcripts, arguments):
        if one.error is not None and len(files) == 1:
            raise one.error
        _print(one, quiet=arguments.json)
        done.append(one)
    done.sort(key=lambda one: files.index((one.path, one.folder)))
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


def _results(
    files: list[tuple[Path, Path]], recipe: AnalyzerRecipe, transcripts: Path | None, arguments: Any
) -> Iterator[AnalyzedFile]:
    """Analyse in this process, or by workers."""
    how = {"transcripts": transcripts, "again": arguments.again, "blur_faces": arguments.blur_faces}
    if arguments.engine == "local" and (arguments.workers or 1) == 1:
        from mesmer.report.analysis_files import analyze_files

        with recipe.open() as analyzer:
            yield from analyze_files(files, analyzer=analyzer, progress=_progress(sys.stderr.isatty()), **how)
        return
    from mesmer.report.analysis_crew import analyze_by_crew

    workers, engine, address = arguments.workers or 0, arguments.engine, arguments.address
    yield from analyze_by_crew(files, recipe=recipe, workers=workers, engine=engine, address=address, **how)


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
