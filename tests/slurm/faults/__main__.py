"""`python -m tests.slurm.faults [WORDS]`: make all faults, or those whose names have these words
(`a or b`), and write the table of docs/reliability.md."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import ROOT
from tests.slurm.faults.table import Row, write

PAGE = ROOT / "docs" / "reliability.md"
TESTS = str(Path(__file__).with_name("test_faults.py"))


class Recorder:
    """A pytest plugin that keeps what each fault's test has found, by its name."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or "[" not in report.nodeid:
            return
        name = report.nodeid.rpartition("[")[2].removesuffix("]")
        rows = [row for key, row in report.user_properties if key == "row" and report.passed]
        no = Row("not yet as it should be", None, held=False)
        self.rows[name] = Row(*rows[0]) if rows else no  # type: ignore[misc]


def main(words: str) -> int:
    recorder = Recorder()
    chosen = ["-k", words] if words else []
    status = pytest.main([TESTS, "-p", "no:cacheprovider", *chosen], plugins=[recorder])
    write(PAGE, recorder.rows)
    return int(status)


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
