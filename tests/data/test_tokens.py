"""Arrays of a pool on disk: mapped, whole or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import psutil
import pytest

from xtl.data.tokens import ABOUT, DATA, ArrayWriter, Column, open_arrays
from xtl.errors import UserError

COLUMNS = {"ids": Column("<i4"), "pairs": Column("<i4", 2), "none": Column("|u1", 16)}
KEY = "ab" * 32


def written(folder: Path, pieces: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    writer = ArrayWriter(folder, COLUMNS)
    for k in range(pieces):
        writer.append({"ids": np.arange(k + 1), "pairs": np.full((1, 2), k)})
    writer.seal(KEY, {"name": "squad"})
    return folder


def test_what_was_streamed_in_pieces_is_read_as_one_array(tmp_path: Path) -> None:
    arrays = open_arrays(written(tmp_path / "pool"), KEY)
    assert arrays.views["ids"].tolist() == [0, 0, 1, 0, 1, 2]
    assert arrays.views["pairs"].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert arrays.views["none"].shape == (0, 16)
    assert arrays.views["ids"].dtype == np.int32
    assert arrays.about == {"name": "squad"}


def test_a_folder_holds_one_file_of_data_and_one_for_people(tmp_path: Path) -> None:
    folder = written(tmp_path / "pool")
    assert sorted(path.name for path in folder.iterdir()) == sorted([DATA, ABOUT])
    assert json.loads((folder / ABOUT).read_text())["about"] == {"name": "squad"}
    assert [path.stat().st_mode & 0o222 for path in folder.iterdir()] == [0, 0]


def test_views_are_of_the_file_and_cannot_be_written(tmp_path: Path) -> None:
    ids = open_arrays(written(tmp_path / "pool"), KEY).views["ids"]
    assert not ids.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 7


def test_a_pool_without_any_row_can_be_opened(tmp_path: Path) -> None:
    assert len(open_arrays(written(tmp_path / "pool", pieces=0), KEY).views["ids"]) == 0


def test_opening_reads_nothing_but_what_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    writer = ArrayWriter(folder, {"ids": Column("<i4")})
    for _ in range(64):
        writer.append({"ids": np.ones(1 << 18, dtype=np.int32)})  # 64 MiB in all
    writer.seal(KEY, {})
    before = psutil.Process().memory_info().rss
    ids = open_arrays(folder, KEY).views["ids"]
    assert ids[len(ids) // 2] == 1
    assert psutil.Process().memory_info().rss - before < 8 << 20


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one"), written(tmp_path / "other")
    for name in (DATA, ABOUT):
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.parametrize("keep", [0, 64, -1])
def test_a_cut_file_is_one_clear_line(tmp_path: Path, keep: int) -> None:
    data = written(tmp_path / "pool") / DATA
    content = data.read_bytes()
    data.chmod(0o644)
    data.write_bytes(content[:keep])
    with pytest.raises(
        UserError, match=r"arrays\.bin: found .* bytes, expected .*: delete .*pool "
    ):
        open_arrays(data.parent, KEY)


@pytest.mark.parametrize("damage", ["", '{"format": 1', "[]"])
def test_a_description_that_is_cut_is_one_clear_line(tmp_path: Path, damage: str) -> None:
    about = written(tmp_path / "pool") / ABOUT
    about.chmod(0o644)
    about.write_text(damage)
    with pytest.raises(UserError, match=r"pool\.json: found no description .* run `xtl prepare`"):
        open_arrays(about.parent, KEY)


def test_a_folder_of_another_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected one of cdcdcdcdcdcd"):
        open_arrays(written(tmp_path / "pool"), "cd" * 32)


def test_a_piece_of_another_shape_is_refused(tmp_path: Path) -> None:
    writer = ArrayWriter(tmp_path, COLUMNS)
    with pytest.raises(ValueError, match="pairs: found shape"):
        writer.append({"pairs": np.zeros(3)})
    writer.close()
