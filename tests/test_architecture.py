"""The picture in docs/architecture.md, held against the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"jobs"},
    {"launch", "report"},
    {"train", "evaluate", "analysis"},
    {"sweep", "tracking"},
    {"tasks"},
    {"data", "model"},
    {"errors", "files"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted([*(ROOT / "xtl").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])


def room(module: str) -> str | None:
    first, _, rest = module.partition(".")
    if first == "jobs":
        return "jobs"
    return rest.partition(".")[0] or None if first == "xtl" else None


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_the_floors(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own = room(module)
    for imported in imports(path):
        other = room(imported)
        if own in FLOOR_OF and other in FLOOR_OF and other != own:
            assert FLOOR_OF[other] >= FLOOR_OF[own], f"{module} imports {imported}, a floor above"


def test_every_room_has_a_floor() -> None:
    rooms = {path.name for path in (ROOT / "xtl").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set(FLOOR_OF)


@pytest.mark.parametrize("module", ["jobs.main", "jobs.status", "jobs.plan", "jobs.sweep"])
def test_what_a_login_node_runs_imports_no_torch(module: str) -> None:
    program = (
        f"import sys, {module}; "
        "print([name for name in ('torch', 'transformers', 'deepspeed', 'pandas', 'matplotlib', "
        "'datasets', 'wandb') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
