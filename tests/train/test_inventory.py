"""An inventory tells a torn or altered folder from a whole one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xtl.train.inventory import find_fault, take_inventory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    return tmp_path


def test_a_folder_left_alone_has_no_fault(folder: Path) -> None:
    assert find_fault(folder, take_inventory(folder, ["a", "b"])) is None


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "b: found no such file"),
        (lambda path: path.write_bytes(b"sec"), "b: found 3 bytes, expected 6"),
        (lambda path: path.write_bytes(b"sEcond"), "b: found other content than was recorded"),
    ],
)
def test_damage_is_found_and_named(
    folder: Path, damage: Callable[[Path], object], fault: str
) -> None:
    inventory = take_inventory(folder, ["a", "b"])
    damage(folder / "b")
    assert find_fault(folder, inventory) == fault


def test_a_known_hash_is_taken_over(folder: Path) -> None:
    assert take_inventory(folder, ["a"], {"a": "known"})["a"]["sha256"] == "known"
