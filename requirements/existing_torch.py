"""Which torch does this Python bring? `make setup TORCH=existing` asks before it installs."""

from __future__ import annotations

import sys
from configparser import ConfigParser
from pathlib import Path

from packaging.requirements import Requirement

SETUP = Path(__file__).parents[1] / "setup.cfg"


def wanted() -> Requirement:
    """What setup.cfg says of torch."""
    settings = ConfigParser()
    settings.read(SETUP, encoding="utf-8")
    lines = settings["options"]["install_requires"].splitlines()
    found = [Requirement(line) for line in lines if line.strip()]
    return next(requirement for requirement in found if requirement.name == "torch")


def main() -> str | None:
    """None if the torch that is there will do, else one line that says why not."""
    range_ = wanted().specifier
    try:
        import torch
    except ImportError as error:
        return f"TORCH=existing: found no torch in {sys.executable} ({error}), expected {range_}"
    device = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    found = f"torch {torch.__version__} ({device}) at {Path(torch.__file__).parent}"
    # A vendor's build is often called a pre-release, such as 2.10.0a0+b4e4ee8.
    if not range_.contains(torch.__version__, prereleases=True):
        return f"TORCH=existing: found {found}, expected {range_}"
    print(found)
    return None


if __name__ == "__main__":
    sys.exit(main())
