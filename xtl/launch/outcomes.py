"""What a training or an evaluation brought, as its result tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.data.mirror import file_hash
from xtl.launch.records import PredictionsFile, TrainingSummary

if TYPE_CHECKING:
    from xtl.tasks.family import Prediction
    from xtl.train.history import TrainOutcome


def training_summary(outcome: TrainOutcome) -> TrainingSummary:
    """Of a training that ended by itself."""
    return TrainingSummary(
        updates=outcome.updates,
        resumed_from=outcome.resumed_from,
        final_loss=outcome.final_loss,
        useful_tokens=outcome.useful_tokens,
        selected=outcome.selected,
        verdicts=tuple((each.update, each.accuracy, each.loss) for each in outcome.validations),
        skipped=outcome.skipped,
        seconds={"updates": outcome.seconds} | dict(outcome.phases),
        utilisation=outcome.utilisation,
        memory_bytes=outcome.memory_bytes,
    )


def keep_predictions(path: Path, predictions: Sequence[Prediction]) -> PredictionsFile:
    """Write them to `path`, whole; what the result says of the file."""
    from xtl.evaluate.predictions import write_predictions

    write_predictions(path, predictions)
    return PredictionsFile(rows=len(predictions), bytes=path.stat().st_size, sha256=file_hash(path))
