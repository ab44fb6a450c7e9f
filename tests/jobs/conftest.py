"""The sweep that the doors' tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import Bench


@pytest.fixture
def fresh(prepared: Bench, tmp_path: Path) -> Bench:
    """Prepared, and nothing run yet."""
    return prepared.copy(tmp_path)


@pytest.fixture
def finished(swept: Bench, tmp_path: Path) -> Bench:
    """A copy of the finished sweep, to be damaged."""
    return swept.copy(tmp_path)
