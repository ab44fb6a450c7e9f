"""Room for a last word."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from xtl.files import write_whole
from xtl.launch.reserve import Reserve


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a file system of its own takes root's rights")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "xtl-reserve", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))


def test_on_a_full_disk_there_is_room_for_a_last_word(disk: Path) -> None:
    reserve = Reserve(disk / "attempts" / ".reserve-rank0")
    reserve.keep()
    fill(disk)
    with pytest.raises(OSError, match="No space") as full:
        write_whole(disk / "attempts" / "failure-rank0.json", "{}")
    assert full.value.errno == errno.ENOSPC
    reserve.give_up()
    write_whole(disk / "attempts" / "failure-rank0.json", "{}")
    reserve.give_up()


def test_where_there_is_no_room_for_it_that_is_said(disk: Path) -> None:
    fill(disk)
    with pytest.raises(OSError, match="No space"):
        Reserve(disk / ".reserve-rank0").keep()
