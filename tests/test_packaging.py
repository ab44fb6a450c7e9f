"""The locks against setup.cfg and the imports, the Makefile against the verbs, and the wheel."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import typer.main
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jobs.main import make_app

ROOT = Path(__file__).parents[1]
KINDS = ("cpu", "cuda", "existing")
VERBS = typer.main.get_group(make_app()).commands
VARIABLES = {"MANIFEST": "m.yaml", "ROOT": "r", "CLUSTER": "local", "PROFILE": "p", "JSON": "1"}
ELSEWHERE = {"xtl", "jobs", "slurm", "tests"} | set(sys.stdlib_module_names)


def named(section: str, key: str) -> list[Requirement]:
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return [Requirement(line) for line in settings[section][key].splitlines() if line.strip()]


DEPENDENCIES = named("options", "install_requires")
DEV = named("options.extras_require", "dev")


def lines_of(name: str) -> list[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    bare = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line for line in bare if line]


def pins(kind: str) -> dict[str, str]:
    return dict(line.split("==") for line in lines_of(kind))


def spared(kind: str) -> set[str]:
    """What a kind of torch leaves out, by decision."""
    return set(lines_of(f"excludes-{kind}")) if kind != "cuda" else set()


def make(
    *arguments: str, cwd: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """GNU make from the outside, not as a part of the make that may be running these tests."""
    hidden = {*VARIABLES, "DRY", "ARGS", "TORCH", "VENV", "PYTHON"}
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    clean = {key: value for key, value in kept.items() if not re.match(r"MAKE|MFLAGS", key)}
    whole = clean | (environment or {})
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=whole, capture_output=True, text=True, timeout=120
    )


def command_of(verb: str, *variables: str) -> list[str]:
    """What `make VERB VARIABLES` would run after the set-up."""
    done = make("-n", verb, "TORCH=cpu", *variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_pins_all_that_setup_cfg_names_within_its_ranges(kind: str) -> None:
    pinned = pins(kind)
    for requirement in [*DEPENDENCIES, *DEV]:
        name = canonicalize_name(requirement.name)
        if name not in spared(kind):
            assert requirement.specifier.contains(pinned[name]), f"{requirement}: {pinned[name]}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_is_pins_alone_and_names_no_index(kind: str) -> None:
    for line in lines_of(kind):
        assert re.fullmatch(r"[a-z0-9-]+==[a-z0-9.]+", line), line


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_pins_what_its_packages_need_themselves(kind: str) -> None:
    pinned = pins(kind)
    for package in pinned:
        for requirement in needs(package):
            name = canonicalize_name(requirement.name)
            if name not in spared(kind):
                assert name in pinned, f"{package} needs {name}"
                assert requirement.specifier.contains(pinned[name], prereleases=True), package


def needs(package: str) -> Iterator[Requirement]:
    """As installed here; nothing for what another kind of torch would bring."""
    try:
        found = requires(package) or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, found):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def test_the_locks_differ_only_by_torch_and_what_it_brings() -> None:
    cpu, cuda, existing = (pins(kind) for kind in KINDS)
    assert cpu.items() < cuda.items()
    assert existing.items() < cpu.items()
    assert all(re.match(r"nvidia-|cuda-|triton$", name) for name in cuda.keys() - cpu.keys())
    assert cpu.keys() - existing.keys() == {"torch", "sympy", "networkx", "mpmath"}


@pytest.mark.parametrize(
    ("folders", "declared"),
    [(("xtl", "jobs"), DEPENDENCIES), (("tests", "requirements"), [*DEPENDENCIES, *DEV])],
)
def test_every_import_is_declared(folders: tuple[str, ...], declared: list[Requirement]) -> None:
    names = {canonicalize_name(requirement.name) for requirement in declared}
    providers = packages_distributions()
    for module, path in imported(folders):
        found = {canonicalize_name(name) for name in providers.get(module, ())}
        assert found & names, f"{path} imports {module}, which setup.cfg does not name"


def imported(folders: tuple[str, ...]) -> set[tuple[str, str]]:
    """(top-level module that is not ours, a file that imports it)."""
    found: dict[str, str] = {}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for module in modules(node):
                found[module.partition(".")[0]] = str(path.relative_to(ROOT))
    return {(module, path) for module, path in found.items() if module not in ELSEWHERE}


def modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_make_help_lists_every_target_that_people_type() -> None:
    listed = set(re.findall(r"^  make (\S+)", make("help").stdout, re.MULTILINE))
    others = ["help", "setup", "check", "test", "test-all", "bench", "distclean", "lock"]
    others += [f"slurm-{action}" for action in ("deps", "up", "down", "shell")]
    assert listed == {*VERBS, *others}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("profile", "score")])
def test_a_make_variable_becomes_an_option_that_the_verb_has(verb: str) -> None:
    known = {option for parameter in VERBS[verb].params for option in parameter.opts}
    settings = [f"{name}={value}" for name, value in VARIABLES.items()]
    options = [word for word in command_of(verb, *settings, "DRY=1") if word.startswith("--")]
    assert set(options) <= known
    assert {"--manifest", "--root", "--cluster", "--profile", "--json"} <= set(options)
    assert "--dry-run" in options


def test_folders_of_predictions_and_labels_are_scored_without_a_sweep() -> None:
    said = command_of("score", "PREDICTIONS=p", "LABELS=l", "MANIFEST=m.yaml", "JSON=1")
    assert said == [
        ".venv/bin/xtl", "score", "--predictions", "'p'", "--labels", "'l'", "--json",
    ]  # fmt: skip


def test_a_profile_is_of_a_cluster_and_takes_no_options_of_a_sweep() -> None:
    said = command_of("profile", "NAME=lab", "MANIFEST=m.yaml", "DRY=1", "JSON=1")
    assert said == [".venv/bin/xtl", "profile", "--name", "'lab'", "--dry-run", "--json"]


def test_a_make_variable_that_is_not_set_becomes_nothing() -> None:
    assert command_of("sweep") == [".venv/bin/xtl", "sweep"]
    assert command_of("sweep", "DRY=0", "ROOT=") == [".venv/bin/xtl", "sweep"]


def test_other_options_are_handed_on() -> None:
    assert command_of("sweep", "ARGS=--detach")[1:] == ["sweep", "--detach"]


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("TORCH=tpu", "TORCH: found tpu, expected cpu, cuda or existing"),
        ("PYTHON=/no/python", "PYTHON: found no /no/python, expected Python 3.11 or newer"),
    ],
)
def test_a_setting_that_cannot_work_gets_a_line_and_no_environment(
    setting: str, line: str, tmp_path: Path
) -> None:
    done = make("setup", setting, f"VENV={tmp_path}/venv")
    assert done.returncode == 2
    assert line in done.stderr
    assert not list(tmp_path.iterdir())


def test_setup_never_clears_a_folder_that_is_no_environment(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = make("setup", "TORCH=cpu", f"VENV={tmp_path}")
    assert done.returncode == 2
    assert f"VENV: found {tmp_path}, which is no virtual environment" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_distclean_leaves_runs_and_a_folder_that_is_no_environment(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("runs/demo/result.json", ".venv/pyvenv.cfg", "xtl/__pycache__/a.pyc", "xtl/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    make("distclean", "VENV=runs", cwd=tmp_path)
    assert (tmp_path / ".venv").exists()
    make("distclean", cwd=tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"Makefile", "runs/demo/result.json", "xtl/a.py"}


@pytest.mark.slow
def test_an_installation_that_failed_is_made_again(tmp_path: Path) -> None:
    no_index = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(tmp_path)}
    settings = ("setup", "TORCH=cpu", f"VENV={tmp_path}/venv", f"PYTHON={sys.executable}")
    assert make(*settings, environment=no_index).returncode != 0
    assert (tmp_path / "venv" / "flavour").read_text().strip() == "cpu"
    again = make("-n", *settings)
    assert "-m venv --clear" in again.stdout


def test_a_torch_that_is_too_old_is_refused(tmp_path: Path) -> None:
    torch = tmp_path / "torch"
    torch.mkdir()
    (torch / "__init__.py").write_text("__version__ = '2.4.0'\nclass version: cuda = '12.4'\n")
    done = existing_torch(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert f"found torch 2.4.0 (CUDA 12.4) at {torch}, expected " in done.stderr


@pytest.mark.slow
def test_the_torch_of_the_tests_would_do_as_an_existing_one() -> None:
    done = existing_torch()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("torch 2.")


def existing_torch(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "requirements" / "existing_torch.py")]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_wheel_has_every_file_that_the_code_reads(tmp_path: Path) -> None:
    for name in ("xtl", "jobs", "slurm", "setup.cfg", "pyproject.toml", "README.md"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "."], cwd=tmp_path, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = (path for folder in ("xtl", "jobs", "slurm") for path in (ROOT / folder).rglob("*"))
    wanted = {str(path.relative_to(ROOT)) for path in files if path.is_file()}
    assert packed == {name for name in wanted if "__pycache__" not in name}
