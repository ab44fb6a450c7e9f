"""Real records, where somebody has them: a folder of data sets in the hub's layout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_records() -> Path:
    """The folder that XTL_HUB names; the test is skipped where it names none."""
    named = os.environ.get("XTL_HUB")
    if not named:
        pytest.skip("XTL_HUB is not set: it names a folder of data sets in the hub's layout")
    return Path(named)
