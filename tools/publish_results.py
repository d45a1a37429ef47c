"""Put what ``mesmer experiment`` and ``mesmer sweep`` wrote into docs/results.md, between its marks; figures go beside it.

    python tools/publish_results.py results/out docs/results.md [--sweep results/sweep]

A section is what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``; one of which nothing was made stays as it is.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

FIGURES = "figures"


def main() -> int:
    """Rewrite the sections of the page and say which."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="the folder given to mesmer experiment --out")
    parser.add_argument("page", type=Path, help="docs/results.md")
    parser.add_argument("--sweep", type=Path, help="the folder given to mesmer sweep --out")
    arguments = parser.parse_args()
    page = arguments.page.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- (\w+) -->", page):
        made = arguments.results / f"{name}.md"
        if name == "sweep" and arguments.sweep:
            made = arguments.sweep / "trials.md"
        if not made.is_file():
            print(f"{name}: not made, left as it is", file=sys.stderr)
            continue
        body = body_of(made.read_text(encoding="utf-8"))
        picture = made.with_suffix(".png")
        if picture.is_file():
            folder = arguments.page.parent / FIGURES
            folder.mkdir(exist_ok=True)
            shutil.copyfile(picture, folder / f"{name}.png")
            body += f"\n![{name}]({FIGURES}/{name}.png)\n"
        page = put_in(page, name, body)
        print(f"{name}: published")
    arguments.page.write_text(page, encoding="utf-8")
    return 0


def body_of(text: str) -> str:
    """Return a result without its heading; the page has its own."""
    return text.split("\n", 1)[1].strip() + "\n" if text.startswith("## ") else text


def put_in(page: str, name: str, body: str) -> str:
    """Return the page with another body between the marks of a section."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = page.split(start, 1)
    if end not in rest:
        sys.exit(f"the mark {end} is missing")
    return f"{before}{start}\n\n{body}\n{end}{rest.split(end, 1)[1]}"


if __name__ == "__main__":
    sys.exit(main())
