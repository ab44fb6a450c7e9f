"""Frozen code: what a sweep's jobs run is a copy, whole, found again, and compared on request."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from xtl.errors import UserError
from xtl.launch import code
from xtl.launch.checkout import CHECKOUT, PACKAGES, changes, commit, files_of
from xtl.launch.code import command_for, current, ensure, environment_for, freeze
from xtl.launch.differences import Differences, compare, differences
from xtl.launch.store import Store

UPDATE = Path("xtl", "train", "update.py")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "sweep")
    found.root.mkdir()
    found.manifest_path.write_text("name: small\n")
    found.lock_path.write_text("{}")
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


def make_checkout(folder: Path, files: int = 0) -> Path:
    texts = {
        "xtl/__init__.py": "",
        str(UPDATE): "one\ntwo\nthree\n",
        "xtl/report/template.html.j2": "<html>",
        "jobs/main.py": "print('main')\n",
        "jobs/manifests/demo.yaml": "name: demo\n",
        "slurm/profiles/local.yaml": "cluster: local\n",
        "README.md": "no code\n",
    }
    texts |= {f"xtl/part{number}.py": f"number = {number}\n" for number in range(files)}
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(folder: Path) -> set[str]:
    places = os.walk(folder)
    return {
        os.path.relpath(Path(place, name), folder) for place, _, files in places for name in files
    }


def git(folder: Path, *words: str) -> str:
    variables = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    done = subprocess.run(
        ["git", *who, *words],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def committed(checkout: Path) -> str:
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "first")
    return git(checkout, "rev-parse", "HEAD")


# -- what is in a copy -------------------------------------------------------------------------
def test_a_copy_has_the_packages_and_what_the_sweep_asks(store: Store, checkout: Path) -> None:
    frozen = freeze(store, checkout)
    packages = {name for name in names(checkout) if name.split("/")[0] in PACKAGES}
    assert names(frozen.folder) == packages | {
        "manifest.yaml",
        "lock.json",
        "code.json",
        "changes.diff",
    }
    assert (frozen.folder / UPDATE).read_bytes() == (checkout / UPDATE).read_bytes()
    assert (frozen.folder / "manifest.yaml").read_text() == "name: small\n"


def test_the_files_of_a_copy_are_read_only(store: Store, checkout: Path) -> None:
    folder = freeze(store, checkout).folder
    assert {(folder / name).stat().st_mode & 0o222 for name in names(folder)} == {0}


@pytest.mark.parametrize(
    "name", ["xtl/.git/config", "xtl/__pycache__/a.pyc", "slurm/testbed/tests/a.py", "jobs/.a.swp"]
)
def test_what_is_no_code_is_left_out(name: str, store: Store, checkout: Path) -> None:
    before = freeze(store, checkout)
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("foreign")
    assert freeze(store, checkout) == before


def test_a_linked_folder_is_not_followed_and_a_linked_file_is_read(
    store: Store, checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "mine.yaml").write_text("mine")
    (checkout / "slurm" / "foreign").symlink_to(tmp_path / "foreign")
    (checkout / "slurm" / "profiles" / "mine.yaml").symlink_to(tmp_path / "foreign" / "mine.yaml")
    found = freeze(store, checkout)
    assert "slurm/foreign/mine.yaml" not in found.code.files
    assert (found.folder / "slurm/profiles/mine.yaml").read_text() == "mine"


def test_a_large_file_among_the_code_is_refused_and_nothing_written(
    store: Store, checkout: Path
) -> None:
    (checkout / "xtl" / "weights.bin").touch()
    os.truncate(checkout / "xtl" / "weights.bin", 2**40)
    with pytest.raises(UserError, match=r"xtl/weights.bin: found .* expected code alone"):
        freeze(store, checkout)
    assert names(store.root) == {"manifest.yaml", "lock.json"}


def test_the_record_says_what_it_was_made_of(store: Store, checkout: Path, committed: str) -> None:
    found = freeze(store, checkout).code
    assert (found.commit, found.dirty, found.python) == (committed, False, sys.executable)
    assert {"xtl", "torch", "deepspeed"} <= found.versions.keys()
    assert str(checkout) not in json.dumps({**found.model_dump(), "python": ""})


# -- which copy a sweep runs -------------------------------------------------------------------
def test_equal_code_is_stored_once(store: Store, checkout: Path, tmp_path: Path) -> None:
    first = freeze(store, checkout)
    assert freeze(store, make_checkout(tmp_path / "elsewhere")) == first
    (checkout / UPDATE).write_text("one\n")
    assert freeze(store, checkout).folder != first.folder
    assert first.folder.is_dir()


def test_a_file_that_moved_is_other_code(store: Store, checkout: Path) -> None:
    first = freeze(store, checkout)
    (checkout / UPDATE).rename(checkout / "xtl" / "update.py")
    assert freeze(store, checkout).folder != first.folder


def test_a_sweep_keeps_its_code_until_it_is_renewed(store: Store, checkout: Path) -> None:
    assert current(store) is None
    first = ensure(store, checkout=checkout)
    (checkout / UPDATE).write_text("broken(\n")
    assert ensure(store, checkout=checkout) == current(store) == first
    renewed = ensure(store, renew=True, checkout=checkout)
    assert renewed != first
    assert ensure(store, checkout=checkout) == current(store) == renewed


def test_other_recipes_are_not_run_under_the_ids_of_todays(
    store: Store, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "RECIPE_VERSION", 0)
    ensure(store, checkout=checkout)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"found recipe version 0 .* --with current"):
        ensure(store, checkout=checkout)


@pytest.mark.parametrize("damage", ["cut", "gone", "foreign", "record", "folder", "pointer"])
def test_a_damaged_copy_is_refused_and_can_be_renewed(
    damage: str, store: Store, checkout: Path
) -> None:
    folder = ensure(store, checkout=checkout).folder
    if damage == "cut":
        os.truncate(folder / UPDATE, 3)
    elif damage == "gone":
        (folder / UPDATE).unlink()
    elif damage == "foreign":
        (folder / "xtl" / "sitecustomize.py").write_text("")
    elif damage == "record":
        os.truncate(folder / "code.json", 100)
    elif damage == "folder":
        shutil.rmtree(folder)
    else:
        (folder.parent / "current.json").write_text("{")
    with pytest.raises(UserError, match=r"found .* --with current"):
        ensure(store, checkout=checkout)
    assert ensure(store, renew=True, checkout=checkout) == current(store)
    assert (folder / UPDATE).read_bytes() == (checkout / UPDATE).read_bytes()


def test_compiled_code_is_no_damage(store: Store, checkout: Path) -> None:
    folder = ensure(store, checkout=checkout).folder
    (folder / "xtl" / "__pycache__").mkdir()
    (folder / "xtl" / "__pycache__" / "update.cpython-311.pyc").write_bytes(b"")
    assert current(store)


def _ensure(root: Path, checkout: Path) -> str:
    return ensure(Store(root), checkout=checkout).code.digest


@pytest.mark.parametrize("checkouts", [1, 2])
def test_launchers_that_come_at_once_run_the_same_code(
    checkouts: int, store: Store, tmp_path: Path
) -> None:
    folders = [make_checkout(tmp_path / f"c{n}", files=50 + n) for n in range(checkouts)]
    with ProcessPoolExecutor(4, multiprocessing.get_context("fork")) as pool:
        for attempt in range(5):
            root = tmp_path / f"sweep{attempt}"
            digests = set(pool.map(_ensure, [root] * 4, (folders * 4)[:4]))
            assert len(digests) == 1
            assert not list(root.glob("code/.*"))


@pytest.mark.slow
def test_a_launcher_that_is_killed_leaves_no_half_copy(store: Store, tmp_path: Path) -> None:
    checkout, home = make_checkout(tmp_path / "c", files=150), store.root / "code"
    for files in range(1, 150, 10):
        (checkout / UPDATE).write_text(f"killed_at = {files}\n")
        launcher = multiprocessing.get_context("fork").Process(
            target=freeze, args=(store, checkout)
        )
        launcher.start()
        before = len(names(home))
        while launcher.is_alive() and len(names(home)) < before + files:
            pass
        launcher.kill()
        launcher.join()
        assert all(code._is_whole(path) for path in home.glob("[!.]*") if path.is_dir())
    assert list(home.glob(".*/new/xtl")), "no launcher was killed while it copied"
    assert ensure(store, renew=True, checkout=checkout) == current(store)


# -- what git says -----------------------------------------------------------------------------
def test_commit_and_changes_give_the_frozen_code_again(
    store: Store, checkout: Path, committed: str, tmp_path: Path
) -> None:
    (checkout / UPDATE).write_text("one\ntwo and more\nthree\n")
    (checkout / "xtl" / "new.py").write_text("new = 1\n")
    (checkout / "xtl" / "new.bin").write_bytes(bytes(range(256)))
    (checkout / "jobs" / "main.py").unlink()
    (checkout / "README.md").write_text("not of the packages\n")
    status = git(checkout, "status", "--porcelain")
    frozen = freeze(store, checkout)
    assert git(checkout, "status", "--porcelain") == status
    assert (frozen.code.commit, frozen.code.dirty) == (f"{committed}+", True)

    git(tmp_path, "clone", "--quiet", str(checkout), "again")
    git(tmp_path / "again", "apply", str(frozen.folder / "changes.diff"))
    assert {name: path.read_bytes() for name, path in files_of(tmp_path / "again")} == {
        name: path.read_bytes() for name, path in files_of(frozen.folder)
    }
    assert "not of the packages" not in (frozen.folder / "changes.diff").read_text()


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(
    "name", ["jobs/.env", "xtl/.secrets/key.txt", "xtl/tests/big.bin", "xtl/__pycache__/a.pyc"]
)
def test_what_is_no_code_is_not_in_the_changes_either(
    name: str, store: Store, checkout: Path
) -> None:
    (checkout / UPDATE).write_text("one\n")
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("TOKEN=hush\n")
    folder = freeze(store, checkout).folder
    found = (folder / "changes.diff").read_text()
    assert "update.py" in found
    assert "hush" not in found
    assert name not in names(folder)


@pytest.mark.usefixtures("committed")
def test_a_hidden_file_of_the_commit_does_not_make_code_dirty(store: Store, checkout: Path) -> None:
    (checkout / "jobs" / ".env").write_text("TOKEN=none\n")
    git(checkout, "add", "--force", "jobs/.env")
    git(checkout, "commit", "--quiet", "--message", "second")
    (checkout / "jobs" / ".env").write_text("TOKEN=hush\n")
    frozen = freeze(store, checkout)
    assert not frozen.code.dirty
    assert b"hush" not in changes(checkout)


@pytest.mark.usefixtures("committed")
def test_others_read_of_a_copy_what_the_umask_lets_them_and_never_a_profile(
    store: Store, checkout: Path
) -> None:
    modes = {}
    for mask in (0o022, 0o077):
        (checkout / UPDATE).write_text(f"mask = {mask}\n")
        before = os.umask(mask)
        try:
            folder = freeze(store, checkout).folder
        finally:
            os.umask(before)
        for name in (str(UPDATE), "slurm/profiles/local.yaml", "changes.diff"):
            modes[mask, name] = (folder / name).stat().st_mode & 0o777
    assert {modes[mask, str(UPDATE)] for mask in (0o022,)} == {0o444}
    assert {mode for key, mode in modes.items() if key != (0o022, str(UPDATE))} == {0o400}


@pytest.mark.usefixtures("committed")
def test_a_frozen_copy_keeps_its_commit_and_changes(store: Store, checkout: Path) -> None:
    (checkout / UPDATE).write_text("one\n")
    frozen = freeze(Store(checkout / "runs" / "demo"), checkout)
    again = freeze(store, frozen.folder)
    assert again.code.files == frozen.code.files
    assert commit(frozen.folder) == again.code.commit == commit(checkout)
    assert changes(frozen.folder) == changes(checkout) != b""


@pytest.mark.usefixtures("committed")
def test_an_installation_inside_a_repository_has_not_its_commit(checkout: Path) -> None:
    installed = make_checkout(checkout / ".venv" / "site-packages")
    assert commit(checkout) != ""
    assert (commit(installed), changes(installed)) == ("", b"")


def test_without_git_code_is_frozen_too(
    store: Store, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = freeze(store, checkout).code
    assert (found.commit, found.dirty) == ("", False)


# -- what differs ------------------------------------------------------------------------------
def test_lines_are_counted_for_each_file_that_differs() -> None:
    then = {"a": b"1\n2\n3\n", "b": b"1\n2\n", "same": b"1\n"}
    now = {"a": b"1\n2b\n2c\n3\n", "c": b"1\n", "same": b"1\n"}
    assert [str(file) for file in compare(then, now)] == ["a +2 −1", "b removed −2", "c added +1"]


def test_the_same_code_makes_no_difference(store: Store, checkout: Path) -> None:
    found = differences(freeze(store, checkout), checkout)
    assert not found
    assert found.summary()[0].endswith(", no file differs")


def test_a_summary_names_commit_day_and_files(store: Store, checkout: Path, committed: str) -> None:
    frozen = freeze(store, checkout)
    (checkout / UPDATE).write_text("one\n2\n3\n4\nthree\n")
    (checkout / "xtl" / "new.py").write_text("new = 1\n")
    made = frozen.code.model_copy(
        update={"recipe_version": 1, "created": time.mktime((2025, 11, 22, 12, 0, 0, 0, 0, 0))}
    )
    found = differences(frozen, checkout)
    assert Differences(made, found.commit, 2, found.files).summary() == [
        f"frozen at commit {committed[:7]} on 22 Nov; now at commit {committed[:7]}+, "
        "2 files differ:",
        "  xtl/new.py added +1",
        "  xtl/train/update.py +3 −1",
        "recipe version 1 when frozen, 2 now: results have other ids",
    ]


# -- what a job imports ------------------------------------------------------------------------
PROBE = """
import json, sys
import jobs.options, slurm, xtl.launch.profile, xtl.launch.worker, xtl.data.lookup.wording
from xtl.data.lookup.wording import resources
print(json.dumps({
    "files": [module.__file__ for name, module in sys.modules.items()
              if name.partition(".")[0] in ("jobs", "xtl") and getattr(module, "__file__", None)],
    "slurm": slurm.__path__[0],
    "profile": str(xtl.launch.profile.PROFILES / "local.yaml"),
    "manifest": str(jobs.options.DEMO),
    "wording": str(resources.files("xtl.data.lookup") / "wordings" / "en.json"),
    "words": sys.argv[1:],
    "later": sys.path[1:2],
}))
xtl.launch.profile.read_profile("local")
"""


@pytest.fixture
def broken(store: Store, tmp_path: Path) -> tuple[Path, Path]:
    """This checkout, copied and frozen, then broken: (frozen folder, checkout)."""
    copy = tmp_path / "a checkout"
    for package in PACKAGES:
        shutil.copytree(
            CHECKOUT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (copy / "xtl" / "launch" / "probe.py").write_text(PROBE)
    folder = ensure(store, checkout=copy).folder
    for name in ("worker", "profile", "probe"):
        (copy / "xtl" / "launch" / f"{name}.py").write_text("broken(\n")
    return folder, copy


@pytest.mark.parametrize("cwd", ["broken", "real"])
@pytest.mark.parametrize("by", ["command", "environment"])
def test_a_job_imports_the_frozen_code_alone(
    by: str, cwd: str, broken: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, checkout = broken
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    command = command_for(folder, "xtl.launch.probe", "a root", "$batch")
    environment = dict(os.environ)
    if by == "environment":
        command = f"'{sys.executable}' -m xtl.launch.probe 'a root' '$batch'"
        environment |= environment_for(folder, os.environ["PYTHONPATH"])
    place = checkout if cwd == "broken" else CHECKOUT
    done = subprocess.run(
        command, shell=True, cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    paths = [*found["files"], found["slurm"], found["profile"], found["manifest"], found["wording"]]
    assert len(paths) > 20
    assert all(Path(path).is_relative_to(folder) and Path(path).exists() for path in paths)
    assert found["words"] == ["a root", "$batch"]
    assert found["later"] == [str(checkout)]


def test_a_folder_that_no_search_path_can_name_is_refused() -> None:
    with pytest.raises(UserError, match="expected a path without ':'"):
        command_for(Path("/runs/a:b"), "xtl.launch.task")
