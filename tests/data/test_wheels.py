from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import pytest

from xtl.data.wheels import Wheel, fetch, member
from xtl.errors import UserError


def wheel_in(folder: Path) -> Wheel:
    """A whole wheel, as small as pip takes it."""
    folder.mkdir(exist_ok=True)
    path = folder / "thing-1.0-py3-none-any.whl"
    about = {"METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n", "RECORD": ""}
    about["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/data.bin", b"\x00\x01")
        for name, text in about.items():
            archive.writestr(f"thing-1.0.dist-info/{name}", text)
    return Wheel("thing", "1.0", path.name, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.usefixtures("index")
def test_a_wheel_that_is_there_with_its_hash_is_not_downloaded(tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path / "cache")
    said: list[str] = []
    assert fetch([wheel], tmp_path / "cache", said.append) == [tmp_path / "cache" / wheel.file]
    assert said == []


def test_a_damaged_wheel_is_downloaded_again(index: Path, tmp_path: Path) -> None:
    wheel = wheel_in(index)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / wheel.file).write_bytes(b"cut")
    said: list[str] = []
    (path,) = fetch([wheel], cache, said.append)
    assert member(path, "thing/data.bin") == b"\x00\x01"
    assert said == ["downloading thing 1.0 from the package index"]
    assert [entry.name for entry in cache.iterdir()] == [wheel.file]


def test_a_wheel_with_another_hash_is_refused(index: Path, tmp_path: Path) -> None:
    wheel = dataclasses.replace(wheel_in(index), sha256="0" * 64)
    with pytest.raises(UserError, match="package index: pip could not download"):
        fetch([wheel], tmp_path / "cache", lambda _line: None)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("index")
def test_a_wheel_that_nobody_has_is_a_user_error_in_one_line(tmp_path: Path) -> None:
    wheel = Wheel("xtl-no-such-thing", "1.0", "xtl_no_such_thing-1.0-py3-none-any.whl", "0" * 64)
    with pytest.raises(UserError, match="No matching distribution found") as caught:
        fetch([wheel], tmp_path / "cache", lambda _line: None)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []
