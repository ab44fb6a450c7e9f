"""Manifests of a few lines, for tests of what they come to."""

from __future__ import annotations

from typing import Any

import yaml

from xtl.sweep.manifest import Manifest
from xtl.sweep.reading import parse_manifest

BASE: dict[str, Any] = {
    "name": "few",
    "model": {"repo": "FacebookAI/xlm-roberta-large"},
    "intermediate": [{"task": "mnli"}],
    "sizes": [0, "10%", "100%"],
    "replicates": [1],
    "targets": [{"task": "tydiqa"}],
}


def manifest(**changes: Any) -> Manifest:
    return parse_manifest(yaml.safe_dump(BASE | changes), "few.yaml")
