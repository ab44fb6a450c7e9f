"""Windows of several languages, each distinct one once, out of the mapped pools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.evaluate.checkpoints import make_job
from xtl.evaluate.sequences import DistinctSequences


def test_every_window_finds_its_own_tokens(
    checkpoint: Path, pairs: dict[str, list[dict[str, Any]]]
) -> None:
    job = make_job(checkpoint, pairs, "retrieval")
    sets = [job.pools[language].features() for language in job.spec.languages]
    sequences = DistinctSequences(sets)
    windows = [feature.input_ids for each in sets for feature in each]
    assert [sequences[place] for place in sequences.which] == windows
    assert list(sequences) == list(dict.fromkeys(windows))
    assert sequences[1:3] == list(sequences)[1:3]
    assert len(sequences) < len(windows)  # the English side is the same in each language
    assert sequences.tokens == sum(map(len, sequences))
