"""Bad input gets one clear line and exit status 2; nothing is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_packaging import VERBS

pytestmark = pytest.mark.slow  # a process each

ROOT = Path(__file__).parents[2]
OPTIONS = {verb: [name for each in VERBS[verb].params for name in each.opts] for verb in VERBS}
DEMO = str(ROOT / "jobs" / "manifests" / "demo.yaml")


def xtl(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs.main", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
        capture_output=True,
        text=True,
    )


OF_A_SWEEP = [verb for verb in VERBS if "--manifest" in OPTIONS[verb]]


@pytest.mark.parametrize("verb", OF_A_SWEEP)
def test_a_wrong_manifest_is_one_line_and_status_2(verb: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("name: m\nsizes: [-1]\n")
    done = xtl(verb, "--manifest", "m.yaml", "--cluster", "local", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("xtl: m.yaml: ")
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]


def test_an_unknown_cluster_is_refused() -> None:
    done = xtl("plan", "--cluster", "moon")
    assert (done.returncode, done.stderr) == (
        2, "xtl: --cluster: found 'moon', expected auto, slurm or local\n",
    )  # fmt: skip


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    done = xtl("plan", "--cluster", "local", "--profile", "moon")
    assert done.returncode == 2
    assert "found no such file, expected a profile (" in done.stderr
    assert "local" in done.stderr


def test_a_profile_with_a_wrong_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("cluster: local\ndevice_tflops: 1\nstart_seconds: 1\nslotz: 2\n")
    done = xtl("plan", "--cluster", "local", "--profile", str(path))
    assert done.returncode == 2
    assert "p.yaml: slotz: found an unknown key" in done.stderr


def test_a_lock_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"model":')
    done = xtl("plan", "--manifest", DEMO, "--root", str(tmp_path))
    assert done.returncode == 2
    assert "delete it and run `xtl prepare`" in done.stderr


@pytest.mark.parametrize("verb", ["plan", "sweep", "status"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_root_without_a_manifest_is_never_the_demo(
    verb: str, exists: bool, tmp_path: Path
) -> None:
    root = tmp_path / "demmo"
    if exists:
        root.mkdir()
    done = xtl(verb, "--root", str(root))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"xtl: --root: found no manifest.yaml in {root}, expected a sweep's folder, "
        "or --manifest (MANIFEST=) beside it for a new one\n"
    )
    assert root.exists() == exists


def test_a_root_alone_names_the_manifest_that_it_keeps(tmp_path: Path) -> None:
    text = Path(DEMO).read_text().replace("name: demo", "name: kept")
    (tmp_path / "manifest.yaml").write_text(text)
    done = xtl("plan", "--json", "--root", str(tmp_path))
    assert json.loads(done.stdout)["sweep"] == "kept"


@pytest.mark.parametrize("verb", ["plan", "sweep", "status"])
def test_a_root_that_is_a_file_is_refused(verb: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = xtl(verb, "--manifest", DEMO, "--root", str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"xtl: --root: found {tmp_path}/file, which is a file, expected")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("root", ["/proc/sweep", "file/sweep"])
def test_a_root_that_cannot_be_written_is_one_line_with_the_path(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("sweep", "--manifest", DEMO, "--root", root, "--cluster", "local")
    done = xtl(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(rf"xtl: (.*/)?{root}.*: .+", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr


def test_help_names_every_verb() -> None:
    done = xtl("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f" {verb} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_names_its_options(verb: str) -> None:
    done = xtl(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: xtl {verb} " in done.stdout
    assert "--json" in done.stdout


def test_without_a_verb_the_help_is_shown_and_the_status_is_2() -> None:
    done = xtl()
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.strip() == xtl("--help").stdout.strip()


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_a_verb_does_not_have_is_one_line_and_status_2(verb: str) -> None:
    done = xtl(verb, "--qqq")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"xtl: no such option: --qqq (`xtl {verb} --help` tells more)\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["scroe"],
            "no such command 'scroe'. Did you mean 'score', 'rescore'? (`xtl --help` tells more)",
        ),
        (["--nonesuch"], "no such option: --nonesuch (`xtl --help` tells more)"),
        (
            ["plan", "moon"],
            "got unexpected extra argument(s) (moon) (`xtl plan --help` tells more)",
        ),
        (["plan", "--root"], "option '--root' requires an argument (`xtl --help` tells more)"),
    ],
)
def test_words_that_make_no_call_are_one_line_and_status_2(words: list[str], line: str) -> None:
    done = xtl(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"xtl: {line}\n")
