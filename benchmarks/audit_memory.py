"""How much memory an audit takes, of a small dataset and of a large one.

    python benchmarks/audit_memory.py [--rows 100 800]

Datasets of noise are made (``tests/dataset/made_parts.py``), and each is audited by a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import folder_bytes, print_table, told_by
from mesmer.config import PrepareSettings
from mesmer.dataset.prepare import prepare

sys.path.append(str(Path(__file__).parents[1] / "tests" / "dataset"))
from made_parts import made_corpus, made_parts

SECONDS = 5.0
AUDIT = """
import sys, time
from mesmer.dataset.audit import audit_dataset
before_mib, start_s = peak_mib(), time.process_time()
audit = audit_dataset(sys.argv[1])
print(before_mib, peak_mib(), time.process_time() - start_s, audit.splits["all"].utterances)
"""


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 800])
    told = []
    with tempfile.TemporaryDirectory() as scratch:
        for rows in parser.parse_args(words).rows:
            corpus = made_corpus(Path(scratch) / f"raw{rows}", [{"seconds": SECONDS}] * rows)
            data = Path(scratch) / f"data{rows}"
            prepare(corpus, data, settings=PrepareSettings(), workers=0, parts=made_parts)
            imports_mib, peak_mib, seconds, seen = told_by(AUDIT, data)
            size_bytes = folder_bytes(data)
            told.append(
                [
                    int(seen), f"{size_bytes / 1e6:.0f}", f"{size_bytes / rows / 1e3:.0f}",
                    f"{imports_mib:.0f}", f"{peak_mib:.0f}", f"{1000 * seconds / rows:.1f}",
                ]
            )  # fmt: skip
    headings = ["rows", "MB", "kB a row", "MiB, Python and libraries alone", "MiB at most", "ms of processor time a row"]
    print_table(headings, told)


if __name__ == "__main__":
    main()
