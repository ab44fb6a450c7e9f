"""The token cache is made once, alike by any number of processes, whoever is killed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.pools import pool_of, request_for
from tests.tasks.records import question
from tests.tiny import tokenizer_into
from xtl.data.tokens import ABOUT, DATA
from xtl.errors import UserError
from xtl.tasks import tokenising
from xtl.tasks.pools import open_pool
from xtl.tasks.tokenising import ensure_pool

ROOT = Path(__file__).parents[2]


def many(count: int) -> list[dict[str, Any]]:
    return [
        question(f"It is {k // 3} miles to York. " * 4, "York", f"Where is {k}?", str(k))
        for k in range(count)
    ]


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer_into(folder)
    return folder


def asking(mirror: Path, tokenizer_folder: Path, count: int) -> subprocess.Popen[str]:
    """A process that asks for the pool of `many(count)` and prints what it is told."""
    program = f"""
import sys
from pathlib import Path
from tests.tasks.pools import request_for
from tests.tasks.test_tokenising import many
from xtl.tasks import tokenising
tokenising.CHUNK_ROWS, tokenising._REPORT_SECONDS = 64, 0.0

def rows():
    print("rows", flush=True)
    return many({count})

mirror, folder = map(Path, sys.argv[1:])
request = request_for(many({count}), folder)
say = lambda line: print(line, flush=True)
pool = tokenising.ensure_pool(mirror, request, rows, folder, processes=1, report=say)
print("has", pool.rows, pool.folder.name, flush=True)
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, str(mirror), str(tokenizer_folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_progress_is_told_in_rows(tmp_path: Path, tokenizer_folder: Path) -> None:
    lines: list[str] = []
    rows = many(2100)
    request = request_for(rows, tokenizer_folder)
    ensure_pool(tmp_path, request, lambda: rows, tokenizer_folder, processes=1, report=lines.append)
    assert lines[0] == "tokenising own: 0 of 2,100 rows"
    assert lines[-1] == "tokenising own: 2,100 of 2,100 rows"


def test_a_pool_that_is_there_asks_for_no_rows(tmp_path: Path, tokenizer_folder: Path) -> None:
    pool_of(tmp_path, many(3), tokenizer_folder)

    def rows() -> list[Any]:
        raise AssertionError("asked for rows")

    request = request_for(many(3), tokenizer_folder)
    pool = ensure_pool(tmp_path, request, rows, tokenizer_folder, processes=1, report=print)
    assert pool.rows == 3


def test_another_tokenizer_than_the_one_asked_for_is_refused(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    tokenizer_into(tmp_path / "other")
    config = tmp_path / "other" / "tokenizer_config.json"
    config.write_text(config.read_text().replace("512", "64"))
    request = request_for(many(3), tokenizer_folder)
    with pytest.raises(UserError, match=r"found tokenizer .*, expected "):
        ensure_pool(
            tmp_path, request, lambda: many(3), tmp_path / "other", processes=1, report=print
        )


def test_a_datasets_rows_are_taken_as_a_lists_are(tmp_path: Path, tokenizer_folder: Path) -> None:
    import datasets

    rows, request = many(5), request_for(many(5), tokenizer_folder)
    ensure_pool(
        tmp_path, request, lambda: datasets.Dataset.from_list(rows), tokenizer_folder,
        processes=1, report=lambda line: None,
    )  # fmt: skip
    assert list(open_pool(tmp_path, request).features()) == list(
        pool_of(tmp_path / "other", rows, tokenizer_folder).features()
    )


def test_a_control_draws_the_same_examples_with_other_labels(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    plain = pool_of(tmp_path, many(40), tokenizer_folder)
    control = pool_of(tmp_path, many(40), tokenizer_folder, shuffle_seed=1)
    assert plain.subset(9, seed=1).tolist() == control.subset(9, seed=1).tolist()
    pairs = list(zip(plain.features(), control.features(), strict=True))
    assert all(one.input_ids == other.input_ids for one, other in pairs)
    assert sum(one.labels != other.labels for one, other in pairs) > 20


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_bytes(
    tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenising, "CHUNK_ROWS", 100)
    monkeypatch.setattr(tokenising, "WORKER_CHUNKS", 1)
    rows, contents = many(730), []
    for processes in (1, 2, 3):
        pool = ensure_pool(
            tmp_path / str(processes), request_for(rows, tokenizer_folder), lambda: rows,
            tokenizer_folder, processes=processes, report=lambda line: None,
        )  # fmt: skip
        contents.append([(pool.folder / name).read_bytes() for name in (DATA, ABOUT)])
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.slow
def test_a_process_that_ends_is_told_as_that_and_its_own_words_stand_above(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import os, sys
from pathlib import Path

if __name__ != "__main__":  # a process that shares the work runs this file too
    os.write(2, b"libfoo.so: cannot open shared object file\\n")  # whole, beside another's
    os._exit(3)

from tests.tasks.pools import request_for
from tests.tasks.test_tokenising import many
from xtl.errors import UserError
from xtl.tasks import tokenising
from xtl.tasks.tokenising import ensure_pool

tokenising.WORKER_CHUNKS = 1
mirror, folder = map(Path, sys.argv[1:])
rows = many(2100)
try:
    ensure_pool(mirror, request_for(rows, folder), lambda: rows, folder, processes=2, report=print)
except UserError as error:
    print(error, file=sys.stderr)
"""
    )
    done = subprocess.run(
        [sys.executable, program, tmp_path / "mirror", tokenizer_folder],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    *above, line = done.stderr.strip().splitlines()
    assert "libfoo.so: cannot open shared object file" in above
    assert "tokenising own: found that one of 2 processes ended" in line
    assert "its own words stand above" in line
    assert not [*(tmp_path / "mirror").glob(".tokens/??/*")]


@pytest.mark.slow
def test_thirty_two_processes_that_ask_for_one_cold_cache_tokenise_it_once(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    processes = [asking(tmp_path, tokenizer_folder, 3000) for _ in range(32)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 32, outputs
    assert sum("rows\n" in output for output in outputs) == 1
    assert len({output.splitlines()[-1] for output in outputs}) == 1
    (folder,) = tmp_path.glob(".tokens/??/*")
    assert sorted(path.name for path in folder.iterdir()) == sorted([DATA, ABOUT])
    assert [path.name for path in (tmp_path / ".tokens").iterdir() if len(path.name) > 2] == [
        ".building"
    ]
    assert not [*(tmp_path / ".tokens" / ".building").iterdir()]


@pytest.mark.slow
def test_a_builder_killed_in_the_middle_leaves_nothing_that_is_used(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    first = asking(tmp_path, tokenizer_folder, 20_000)
    assert first.stdout is not None
    while not first.stdout.readline().startswith("tokenising own: 640 of"):
        assert first.poll() is None
    first.kill()
    first.communicate()
    (desk,) = (tmp_path / ".tokens" / ".building").iterdir()
    assert [*desk.glob("staged-*/ids.part")]
    assert not [*tmp_path.glob(".tokens/??/*")]
    whole = asking(tmp_path, tokenizer_folder, 20_000)
    assert "has 20000" in whole.communicate(timeout=120)[0]
    assert not [*(tmp_path / ".tokens" / ".building").iterdir()]
