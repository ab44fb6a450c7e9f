from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from xtl.data import mirror as module
from xtl.data.mirror import Mirror, Snapshot, content_hash, verify
from xtl.errors import UserError

RECIPE = {"hub": "owner/name", "commit": "1"}
COMMIT = "c0ffee" + "0" * 34
HOUR = 3600


def fill(folder: Path, text: str = "one") -> Path:
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "rows.jsonl").write_text(text)
    (folder / "README.md").write_text("read me")
    return folder


def published(
    mirror: Mirror, text: str = "one", repo: str = "owner/name", revision: str | None = None
) -> Snapshot:
    with mirror.staging(RECIPE) as staged:
        return mirror.publish(repo, fill(staged, text), revision)


def test_the_content_hash_is_the_documented_one(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("two")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("")
    lines = [
        f"{name}\0{len(text)}\0{hashlib.sha256(text.encode()).hexdigest()}\n"
        for name, text in [("a/x", ""), ("b", "two")]
    ]
    assert content_hash(tmp_path) == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("change", ["content", "name", "size of nothing"])
def test_any_change_of_a_file_changes_the_content_hash(tmp_path: Path, change: str) -> None:
    before = content_hash(fill(tmp_path))
    if change == "content":
        (tmp_path / "README.md").write_text("read us")
    elif change == "name":
        (tmp_path / "README.md").rename(tmp_path / "README.txt")
    else:
        (tmp_path / "empty").touch()
    assert content_hash(tmp_path) != before


def test_a_snapshot_lies_under_its_repo_and_a_revision_made_of_its_content(tmp_path: Path) -> None:
    snapshot = published(Mirror(tmp_path))
    assert snapshot.folder == tmp_path / "owner/name" / snapshot.revision
    assert snapshot.revision == f"content-{snapshot.fingerprint[:16]}"
    assert snapshot.fingerprint == content_hash(snapshot.folder)
    assert Mirror(tmp_path).find("owner/name", snapshot.revision) == snapshot.folder


def test_published_files_are_read_only_and_open_to_all(tmp_path: Path) -> None:
    snapshot = published(Mirror(tmp_path))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in module._files(snapshot.folder)}
    assert modes == {0o444}
    assert stat.S_IMODE(snapshot.folder.stat().st_mode) == 0o755


def test_a_repo_that_is_not_there_is_a_user_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"owner/name at content-1.*run `xtl prepare`"):
        Mirror(tmp_path).find("owner/name", "content-1")


def test_a_mirror_has_what_was_published_and_nothing_else(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    snapshot = published(mirror)
    assert mirror.has("owner/name", snapshot.revision)
    assert not mirror.has("owner/name", "content-1")
    assert not mirror.has("owner/other", snapshot.revision)


def test_files_that_do_not_count_are_not_in_the_content_hash(tmp_path: Path) -> None:
    fill(tmp_path)
    before = content_hash(tmp_path, lambda path: path.suffix != ".md")
    (tmp_path / "README.md").write_text("read us")
    assert content_hash(tmp_path, lambda path: path.suffix != ".md") == before
    (tmp_path / "part" / "rows.jsonl").write_text("two")
    assert content_hash(tmp_path, lambda path: path.suffix != ".md") != before


def test_the_same_content_twice_is_one_snapshot_and_leaves_nothing_staged(tmp_path: Path) -> None:
    first, second = published(Mirror(tmp_path)), published(Mirror(tmp_path))
    assert first == second
    assert list((tmp_path / ".staging").iterdir()) == []
    assert [path.name for path in (tmp_path / "owner/name").iterdir()] == [first.revision]


def test_new_content_is_published_beside_the_old(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    first, second = published(mirror, "one"), published(mirror, "two")
    assert first.revision != second.revision
    verify(first)
    verify(second)


def test_staged_files_never_show_when_filling_fails(tmp_path: Path) -> None:
    def fill_and_fail() -> None:
        with Mirror(tmp_path).staging(RECIPE) as staged:
            fill(staged)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill_and_fail()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_damaged_snapshot_fails_its_verification(tmp_path: Path) -> None:
    snapshot = published(Mirror(tmp_path))
    damaged = snapshot.folder / "README.md"
    damaged.chmod(0o644)
    damaged.write_text("read mo")
    with pytest.raises(UserError, match="it was changed after it was published"):
        verify(snapshot)


def test_publishing_onto_a_damaged_snapshot_says_so(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    (published(mirror).folder / "README.md").unlink()
    with pytest.raises(UserError, match="it was changed after it was published"):
        published(mirror)


@contextmanager
def writing(root: Path) -> Iterator[Path]:
    """A process that stages by RECIPE: what it left, after it is killed where the block ends."""
    code = (
        "import sys; from pathlib import Path; from xtl.data.mirror import Mirror\n"
        f"with Mirror(Path(sys.argv[1])).staging({RECIPE}, resumes=True) as staged:\n"
        "    (staged / 'half').write_text('x'); print(staged.name, flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", code, str(root)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as writer:
        assert writer.stdout is not None
        yield root / ".staging" / writer.stdout.readline().strip()
        writer.kill()


def age(folder: Path, seconds: float) -> None:
    then = folder.stat().st_mtime - seconds
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))


def left_by(root: Path, host: str, key: str | None = None) -> Path:
    """A staging folder as a process of another host leaves it."""
    folder = root / ".staging" / f"{key or module._key(RECIPE)}.{host}.77.abc"
    folder.mkdir(parents=True)
    (folder / "half").write_text("x")
    return folder


def test_what_a_killed_process_left_is_gone_on_with(tmp_path: Path) -> None:
    with writing(tmp_path) as left:
        pass
    with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
        assert (staged / "half").read_text() == "x"
        assert not left.exists()
    assert list((tmp_path / ".staging").iterdir()) == []


def test_what_a_killed_process_left_goes_where_nothing_can_be_gone_on_with(tmp_path: Path) -> None:
    with writing(tmp_path) as left:
        pass
    with Mirror(tmp_path).staging(RECIPE) as staged:
        assert list(staged.iterdir()) == []
        assert not left.exists()


def test_what_a_living_process_stages_is_its_own(tmp_path: Path) -> None:
    with writing(tmp_path) as left:
        age(left, 3 * HOUR)
        with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
            assert list(staged.iterdir()) == []
        assert (left / "half").exists()


def test_what_this_process_stages_is_not_taken_from_it(tmp_path: Path) -> None:
    with Mirror(tmp_path).staging(RECIPE, resumes=True) as first:
        (first / "half").write_text("x")
        with Mirror(tmp_path).staging(RECIPE, resumes=True) as second:
            assert list(second.iterdir()) == []
        assert (first / "half").exists()


def test_what_failed_is_gone_on_with_in_the_same_process(tmp_path: Path) -> None:
    def fill_and_fail() -> None:
        with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
            fill(staged)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill_and_fail()
    with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
        assert (staged / "README.md").read_text() == "read me"


def test_another_recipe_s_leftover_stays_for_two_days(tmp_path: Path) -> None:
    with writing(tmp_path) as left:
        pass
    age(left, 47 * HOUR)
    with Mirror(tmp_path).staging({"another": 1}, resumes=True) as staged:
        assert list(staged.iterdir()) == []
    assert (left / "half").exists()
    age(left, 2 * HOUR)
    with Mirror(tmp_path).staging({"another": 1}, resumes=True):
        assert not left.exists()


def test_another_host_s_process_counts_as_dead_after_two_hours_of_silence(tmp_path: Path) -> None:
    left = left_by(tmp_path, "else.where")
    age(left, 3 * HOUR)
    (left / "half").touch()
    with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
        assert list(staged.iterdir()) == []
    age(left, 3 * HOUR)
    with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
        assert (staged / "half").exists()


def test_of_two_leftovers_the_latest_is_gone_on_with_and_the_other_goes(tmp_path: Path) -> None:
    old, young = left_by(tmp_path, "one"), left_by(tmp_path, "two")
    (young / "half").write_text("more")
    age(old, 5 * HOUR)
    age(young, 4 * HOUR)
    with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
        assert (staged / "half").read_text() == "more"
        assert [path.name for path in (tmp_path / ".staging").iterdir()] == [staged.name]


def test_of_many_that_go_on_with_a_leftover_one_gets_it(tmp_path: Path) -> None:
    age(left_by(tmp_path, "elsewhere"), 3 * HOUR)
    begin, end = threading.Barrier(8), threading.Barrier(8)

    def take(_number: int) -> bool:
        begin.wait()
        with Mirror(tmp_path).staging(RECIPE, resumes=True) as staged:
            got = (staged / "half").exists()
            end.wait()
        return got

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1
    assert list((tmp_path / ".staging").iterdir()) == []


def test_a_commit_names_its_snapshot(tmp_path: Path) -> None:
    snapshot = published(Mirror(tmp_path), revision=COMMIT)
    assert snapshot.folder == tmp_path / "owner/name" / COMMIT
    assert snapshot.revision == COMMIT
    assert snapshot.fingerprint == content_hash(snapshot.folder)
    assert published(Mirror(tmp_path), revision=COMMIT) == snapshot


def test_other_content_of_the_same_commit_is_refused(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    first = published(mirror, "one", revision=COMMIT)
    with pytest.raises(UserError, match=rf"{COMMIT}: found content .* expected"):
        published(mirror, "two", revision=COMMIT)
    verify(first)


def test_a_recipe_is_remembered_with_what_it_gave(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    snapshot = published(mirror)
    assert mirror.recall("owner/name", {"version": 1}) is None
    mirror.remember({"version": 1}, snapshot)
    assert mirror.recall("owner/name", {"version": 1}) == snapshot
    assert mirror.recall("owner/name", {"version": 2}) is None
    assert mirror.recall("owner/other", {"version": 1}) is None


def test_a_recipe_whose_snapshot_is_gone_is_forgotten(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    snapshot = published(mirror)
    mirror.remember({"version": 1}, snapshot)
    snapshot.folder.rename(tmp_path / "gone")
    assert mirror.recall("owner/name", {"version": 1}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"revision": 1}', "{}"])
def test_a_broken_index_entry_counts_as_none(tmp_path: Path, text: str) -> None:
    mirror = Mirror(tmp_path)
    mirror.remember({"version": 1}, published(mirror))
    (entry,) = (tmp_path / ".index").rglob("*.json")
    entry.write_text(text)
    assert mirror.recall("owner/name", {"version": 1}) is None


def test_of_many_publishers_at_once_all_get_the_same_snapshot(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from xtl.data.mirror import Mirror\n"
        "mirror = Mirror(Path(sys.argv[1]))\n"
        "with mirror.staging({}) as staged:\n"
        "    (staged / 'rows.jsonl').write_text('x' * 1000)\n"
        "    sys.stdin.readline()\n"
        "    print(mirror.publish('owner/name', staged).folder)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert len(said) == 1
    assert list((tmp_path / ".staging").iterdir()) == []
