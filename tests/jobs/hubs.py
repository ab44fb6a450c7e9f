"""A hub on the loopback with a model and a data set, and a manifest that takes both from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen

from tests.bench import ROOT, Bench
from tests.data.loopback_hub import Files, Hub, serving
from xtl.sweep.lock import Lock

DATA, MODEL = "tests/lookup", "tests/tiny"
TARGET = "target/train-00000-of-00001.parquet"
MANIFEST = """
name: tiny
model: {repo: tests/tiny}
engine: {ranks: 1, zero_stage: 1, precision: fp32, micro_batch: 8}
intermediate:
  - task: lookup-pool
sizes: [0, 64]
replicates: [1]
targets:
  - task: lookup-qa
    languages: [en, sw]
training_data:
  lookup-pool: {repo: tests/lookup}
  lookup-qa: {repo: tests/lookup}
evaluation_data:
  lookup-qa: {repo: tests/lookup}
"""
_READ = ("README.md", "pool/", "target/", "en/", "sw/")
# What changes a file below a folder, counted; the process is killed before the n-th.
_KILLED = """
import os, sys

WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.chmod", "os.link", "os.rmdir",
           "os.utime", "shutil.rmtree"}
changes = 0

def count(event, args):
    global changes
    if event in WATCHED and str(args[0]).startswith(root):
        flags = args[2] if event == "open" else os.O_CREAT
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            changes += 1
            if changes == last:
                os.kill(os.getpid(), 9)

if __name__ == "__main__":
    root, last, *sys.argv[1:] = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
    sys.addaudithook(count)
    from jobs.main import main
    main()
    print(changes)
"""


def held(folder: Path) -> Files:
    """Every file below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@dataclass(frozen=True)
class Scene:
    """A sweep's folder, a mirror beside it, and the hub that both are filled from."""

    data: Hub
    model: Hub
    bench: Bench

    @property
    def mirror(self) -> Path:
        return self.bench.folder / "mirror"

    @property
    def lock_path(self) -> Path:
        return self.bench.root / "lock.json"

    @property
    def lock(self) -> Lock:
        return Lock.model_validate_json(self.lock_path.read_text())

    @property
    def manifest(self) -> Path:
        return self.bench.folder / "tiny.yaml"

    def asked(self) -> int:
        """How many questions the hub was asked."""
        return len(self.data.asked) + len(self.model.asked)

    def prepare(self, *options: str) -> CompletedProcess[str]:
        return self.bench.run("prepare", *options)

    def prepared(self, *options: str) -> str:
        """What it prints, once it has ended well."""
        done = self.prepare(*options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *options: str) -> str:
        """The one line that it ends with; no word of it is a traceback's."""
        done = self.prepare(*options)
        assert done.returncode == 2, done.stdout + done.stderr
        said = done.stderr.splitlines()
        assert [line for line in said if line.startswith("xtl: ")] == said[-1:]
        assert "Traceback" not in done.stderr
        return said[-1].removeprefix("xtl: ")

    def killed_before(self, change: int) -> int:
        """Prepare, killed before that change of a file; the exit status, -9 or 0."""
        program = self.bench.folder / "killed.py"
        program.write_text(_KILLED)
        _python, _m, _module, *words = self.bench.command("prepare")
        command = [sys.executable, str(program), str(self.bench.folder), str(change), *words]
        env = self.bench.env | {"PYTHONPATH": str(ROOT)}
        running = Popen(command, cwd=ROOT, env=env, text=True, stdout=PIPE, stderr=PIPE)
        _, said = running.communicate(timeout=120)
        assert running.returncode in (0, -9), said
        return running.returncode


def lookup_files(folder: Path) -> Files:
    return {name: data for name, data in held(folder).items() if name.startswith(_READ)}


@contextmanager
def scene(folder: Path, data: Files, model: Files) -> Iterator[Scene]:
    """In `folder`, which may have what an earlier one left there."""
    hubs = Hub(DATA, data), Hub(MODEL, model, kind="model")
    (folder / "tiny.yaml").write_text(MANIFEST)
    kept = {name: text for name, text in os.environ.items() if name[:3] not in ("HF_", "XTL")}
    with serving(*hubs):
        env = kept | {
            "HF_ENDPOINT": hubs[0].address,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(folder / "home"),
            "XTL_CACHE": str(folder / "cache"),
            "XTL_MIRROR": str(folder / "mirror"),
            "COLUMNS": "80",
        }
        yield Scene(*hubs, Bench(folder, env))


def alone(found: Scene) -> Scene:
    """The same where no hub answers."""
    env = found.bench.env | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    return replace(found, bench=replace(found.bench, env=env))
