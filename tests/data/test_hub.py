from __future__ import annotations

import fcntl
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.data.loopback_hub import Files, Hub, ask_it, serving
from xtl.data import hub as module
from xtl.data.hub import download, list_files
from xtl.data.mirror import Mirror
from xtl.data.sources import obtain
from xtl.errors import UserError

pytestmark = pytest.mark.slow

MIB = 2**20
BIG = random.Random(7).randbytes(24 * MIB)  # over two of the client's pieces of 10 MiB
FILES = {"README.md": b"# set\n", "en/train.parquet": b"PAR1" * 999, "en/empty.txt": b""}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub("owner/set", FILES)) as served:
        ask_it(served, monkeypatch)
        yield served


def fetch(folder: Path, said: list[str] | None = None) -> None:
    folder.mkdir(exist_ok=True)
    report = said.append if said is not None else lambda _line: None
    download(list_files("owner/set", "dataset"), folder, report)


def complaint(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        fetch(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def held(folder: Path) -> Files:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def half(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    module._half(path).write_bytes(data)


def test_the_list_says_sizes_and_hashes_and_is_asked_for_once(hub: Hub) -> None:
    listing = list_files("owner/set", "dataset")
    assert listing.commit == hub.head
    assert {file.name: file.size for file in listing.files} == {
        name: len(data) for name, data in FILES.items()
    }
    assert sorted(len(file.hash) for file in listing.files) == [40, 40, 64]
    assert len(hub.asked) == 1


def test_what_is_listed_comes_and_nothing_else_stays(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "left.json").write_text("{}")
    fetch(tmp_path)
    assert held(tmp_path) == FILES


def test_a_token_is_shown_to_the_hub_alone(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path)
    assert {path.startswith("/lfs/"): shown for path, shown in hub.tokens} == {
        False: True,
        True: False,
    }


def test_at_most_four_files_come_at_once(hub: Hub, tmp_path: Path) -> None:
    hub.commit({f"{number}.txt": b"x" * 50_000 for number in range(12)})
    hub.bytes_per_second = 500_000
    fetch(tmp_path)
    assert hub.most_at_once == 4


def test_no_file_is_locked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks on this file system")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)
    fetch(tmp_path)
    assert held(tmp_path) == FILES


def test_the_client_draws_no_bars(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # the client's own way to have bars without a tty
    fetch(tmp_path)
    assert capfd.readouterr().err == ""


def test_progress_is_told_in_files_and_bytes_and_not_too_often(hub: Hub, tmp_path: Path) -> None:
    hub.commit({f"{number}.txt": b"x" * MIB for number in range(6)})
    hub.bytes_per_second = 2 * MIB
    said: list[str] = []
    begin = time.monotonic()
    fetch(tmp_path, said)
    assert 2 <= len(said) <= 2 + (time.monotonic() - begin) / 0.4
    assert said[-1] == "owner/set: 6 of 6 files, 6.0 of 6.0 MiB"
    assert all(re.fullmatch(r"owner/set: \d of 6 files, \d\.\d of 6\.0 MiB", line) for line in said)


def test_whole_files_are_not_asked_for_again(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path)
    asked = hub.fetched()
    fetch(tmp_path)
    assert hub.fetched() == asked


def test_a_damaged_file_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path)
    (tmp_path / "README.md").write_bytes(b"# sat\n")
    fetch(tmp_path)
    assert held(tmp_path) == FILES
    assert hub.fetched().count("README.md") == 2


@pytest.mark.parametrize("name", ["README.md", "en/train.parquet"])
def test_a_half_file_goes_on_where_it_ended(hub: Hub, tmp_path: Path, name: str) -> None:
    half(tmp_path / name, FILES[name][:3])
    fetch(tmp_path)
    assert held(tmp_path) == FILES
    assert hub.ranges == [(name, 3)]


def test_a_half_file_that_has_all_bytes_is_not_asked_for(hub: Hub, tmp_path: Path) -> None:
    half(tmp_path / "README.md", FILES["README.md"])
    fetch(tmp_path)
    assert "README.md" not in hub.fetched()


def test_a_half_file_that_is_too_long_begins_anew(hub: Hub, tmp_path: Path) -> None:
    half(tmp_path / "README.md", b"a longer one")
    fetch(tmp_path)
    assert held(tmp_path) == FILES


def test_a_server_without_ranges_gives_the_same_bytes(hub: Hub, tmp_path: Path) -> None:
    hub.ignores_ranges = True
    half(tmp_path / "en/train.parquet", FILES["en/train.parquet"][:100])
    fetch(tmp_path)
    assert held(tmp_path) == FILES


def test_a_cut_connection_goes_on_by_itself(hub: Hub, tmp_path: Path) -> None:
    hub.commit({"big.parquet": BIG})
    hub.cuts["big.parquet"] = 15 * MIB
    fetch(tmp_path)
    assert held(tmp_path) == {"big.parquet": BIG}
    assert hub.ranges == [("big.parquet", 10 * MIB)]


def test_what_was_interrupted_is_kept_and_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        if "1 of 2 files, 10.0 of" in line:
            raise KeyboardInterrupt

    hub.commit({"a.txt": b"a", "big.parquet": BIG})
    hub.bytes_per_second = 10 * MIB
    with pytest.raises(KeyboardInterrupt):
        download(list_files("owner/set", "dataset"), tmp_path, interrupt)
    hub.bytes_per_second = None
    fetch(tmp_path)
    assert held(tmp_path) == {"a.txt": b"a", "big.parquet": BIG}
    assert [begin >= 10 * MIB for _name, begin in hub.ranges] == [True]
    assert hub.fetched() == ["a.txt", "big.parquet", "big.parquet"]


@pytest.mark.parametrize(
    ("name", "lie", "found"),
    [
        ("README.md", b"# sat\n", "found hash [0-9a-f]{40}, expected [0-9a-f]{40}"),
        ("README.md", b"# longer\n", "found 9 bytes, expected 6"),
        ("en/train.parquet", b"PAR2" * 999, "found hash [0-9a-f]{64}, expected [0-9a-f]{64}"),
        ("en/train.parquet", b"PAR1", "found 4 bytes, expected 3996"),
    ],
)
def test_other_bytes_than_the_hub_lists_are_removed_and_said(
    hub: Hub, tmp_path: Path, name: str, lie: bytes, found: str
) -> None:
    hub.lies[name] = lie
    line = complaint(tmp_path)
    assert re.fullmatch(
        f"hub: dataset owner/set: {name}: {found}: it was removed, run `xtl prepare` again", line
    )
    assert name not in held(tmp_path)
    hub.lies.clear()
    fetch(tmp_path)
    assert held(tmp_path) == FILES


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (401, "dataset owner/set was refused (401): set HF_TOKEN or run `hf auth login`, with"),
        (403, "dataset owner/set was refused (403): set HF_TOKEN or run `hf auth login`, with"),
        (404, "dataset owner/set could not be fetched (Client error '404 Not Found' for url"),
        (429, "dataset owner/set: the hub is too busy or in trouble (429): wait some minutes; "),
        (500, "dataset owner/set: the hub is too busy or in trouble (500): wait some minutes; "),
    ],
)
def test_a_refused_question_says_what_to_do(
    hub: Hub, tmp_path: Path, status: int, line: str
) -> None:
    hub.refusals["/api/"] = status
    assert complaint(tmp_path).startswith(f"hub: {line}")


def test_a_refused_file_leaves_the_others_for_the_next_call(hub: Hub, tmp_path: Path) -> None:
    hub.refusals["train.parquet"] = 503
    assert complaint(tmp_path) == (
        "hub: dataset owner/set: the hub is too busy or in trouble (503): wait some minutes; "
        "what came is kept, run `xtl prepare` again"
    )
    hub.refusals.clear()
    fetch(tmp_path)
    assert held(tmp_path) == FILES


def test_a_gated_set_says_where_its_terms_are(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    assert complaint(tmp_path) == (
        f"hub: dataset owner/set is gated: accept its terms at {hub.address}/datasets/owner/set, "
        "then set HF_TOKEN or run `hf auth login`"
    )


@pytest.mark.parametrize("name", ["owner/nothing", "no name of a repo"])
def test_a_missing_set_says_to_check_its_name(hub: Hub, name: str) -> None:
    with pytest.raises(UserError, match=f"hub: found no dataset {name}: check the name"):
        list_files(name, "dataset")


def test_a_commit_that_is_gone_is_said(hub: Hub) -> None:
    with pytest.raises(UserError, match="dataset owner/set has no such commit any more"):
        list_files("owner/set", "dataset", "0" * 40)


def test_without_network_it_says_so(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert re.fullmatch(
        r"hub: dataset owner/set could not be fetched \(.*refused\): what came is kept, run "
        "`xtl prepare` again where there is network, or name with XTL_HUB a folder that holds it",
        complaint(tmp_path),
    )


def test_offline_mode_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids to fetch it: unset it" in complaint(tmp_path)


def test_a_set_that_is_larger_than_the_disk_is_not_begun(hub: Hub, tmp_path: Path) -> None:
    hub.listed_sizes["en/train.parquet"] = 10**18
    line = complaint(tmp_path)
    assert re.search(r"found \d+ bytes free, expected 1\d+: '.*': make room, or move", line)
    assert hub.fetched() == []


# Processes of their own: killed where a login node's are.
ASK = """
import os, sys
from pathlib import Path
from xtl.data.mirror import Mirror
from xtl.data.sources import obtain

root, last = sys.argv[1], int(sys.argv[2])
changes = 0

def count(event, args):
    global changes
    if event in WATCHED and str(args[0]).startswith(root):
        writes = event != "open" or args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        changes += bool(writes)
        if writes and changes == last:
            os.kill(os.getpid(), 9)

WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.chmod", "shutil.rmtree"}
sys.addaudithook(count)
print(obtain("owner/set", "dataset", Mirror(Path(root)), cache=Path("unused"), hub=None,
             report=lambda line: None).folder)
print(changes)
"""


def process(hub: Hub, root: Path, killed_at: int = 0) -> subprocess.Popen[str]:
    """Obtains the hub's set, unless it is killed before that change to the mirror's files."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HF_")}
    env = kept | {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", ASK, str(root), str(killed_at)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def finish(started: subprocess.Popen[str]) -> list[str]:
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    return out.splitlines()


def require_one_snapshot(root: Path, hub: Hub) -> None:
    assert [path.name for path in (root / "owner/set").iterdir()] == [hub.head]
    assert held(root / "owner/set" / hub.head) == hub.commits[hub.head]
    assert list((root / ".staging").iterdir()) == []


def test_killed_again_and_again_while_files_come_it_ends_with_the_same_mirror(
    tmp_path: Path,
) -> None:
    """The instants are bytes that the server sent: the same on a slow machine."""
    draw, root = random.Random(4), tmp_path / "mirror"
    small = {f"{number}.txt": draw.randbytes(MIB // 2) for number in range(5)}
    with serving(Hub("owner/set", {"big.parquet": BIG} | small)) as hub:
        hub.bytes_per_second = 8 * MIB
        for instant in [20 * MIB, *(draw.randrange(10 * MIB) for _ in range(6))]:
            before, running = hub.sent, process(hub, root)
            while hub.sent - before < instant and running.poll() is None:
                time.sleep(0.005)
            running.kill()
            running.communicate()
            if (root / "owner/set" / hub.head).exists():
                assert held(root / "owner/set" / hub.head) == hub.commits[hub.head]
        finish(process(hub, root))
        require_one_snapshot(root, hub)
    assert hub.ranges
    assert all(begin >= 10 * MIB for _name, begin in hub.ranges)


def test_killed_before_any_change_on_disk_the_next_one_ends_with_the_same_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub("owner/set", FILES)) as hub:
        _folder, changes = finish(process(hub, tmp_path / "whole"))
        ask_it(hub, monkeypatch)
        instants = random.Random(4).sample(range(1, int(changes) + 1), 12)
        with ThreadPoolExecutor(2) as pool:
            roots = {tmp_path / str(instant): instant for instant in instants}
            killed = pool.map(lambda root: process(hub, root, roots[root]).wait(), roots)
            assert set(killed) == {-9}
        snapshots = {}
        for root in roots:
            snapshots[root] = obtain(
                "owner/set", "dataset", Mirror(root), cache=root, hub=None, report=print
            )
            require_one_snapshot(root, hub)
        assert len({snapshot.fingerprint for snapshot in snapshots.values()}) == 1


def test_two_that_fetch_the_same_set_at_once_end_with_one_snapshot(tmp_path: Path) -> None:
    with serving(Hub("owner/set", FILES | {"big.txt": BIG[:MIB]})) as hub:
        hub.bytes_per_second = MIB
        racers = [process(hub, tmp_path / "mirror") for _ in range(2)]
        said = [finish(racer)[0] for racer in racers]
        assert said == [str(tmp_path / "mirror/owner/set" / hub.head)] * 2
        require_one_snapshot(tmp_path / "mirror", hub)
    assert hub.fetched().count("big.txt") == 2
