"""One launcher leads while it lives; another follows, and leads after it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from xtl.launch.lease import Lease

ROOT = Path(__file__).parents[2]
HOLD = "import sys, time; from pathlib import Path; from xtl.launch.lease import Lease; "


def another(root: Path, then: str) -> subprocess.Popen[str]:
    """Another process that takes the lease, says so, and goes on with `then`."""
    program = f"{HOLD}print(Lease(Path({str(root)!r})).hold(), flush=True); {then}"
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_who_holds_it_renews_it(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    assert lease.hold()
    assert lease.hold()


def test_a_second_launcher_follows_until_the_first_lets_go(tmp_path: Path) -> None:
    first = Lease(tmp_path)
    assert first.hold()
    second = another(tmp_path, "")
    assert said(second) == "False"
    second.wait()
    first.release()
    third = another(tmp_path, "")
    assert said(third) == "True"
    third.wait()


def test_a_launcher_that_died_leaves_it_to_the_next(tmp_path: Path) -> None:
    first = another(tmp_path, "time.sleep(60)")
    assert said(first) == "True"
    assert not Lease(tmp_path).hold()
    first.kill()
    first.wait()
    assert Lease(tmp_path).hold()


def test_one_that_renews_no_more_leaves_it_too(tmp_path: Path) -> None:
    first = another(tmp_path, "time.sleep(60)")
    assert said(first) == "True"
    path = tmp_path / "launcher.json"
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | {"time": time.time() - 120}))
    assert Lease(tmp_path).hold()
    first.kill()
    first.wait()


def test_releasing_what_another_holds_does_nothing(tmp_path: Path) -> None:
    first = another(tmp_path, "time.sleep(60)")
    assert said(first) == "True"
    Lease(tmp_path).release()
    assert (tmp_path / "launcher.json").exists()
    first.kill()
    first.wait()
