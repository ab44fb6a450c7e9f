"""A set's metrics computed again from stored predictions and the rows they answer, without a model.

A check on the figures in a result, and the way to a metric that was not thought of at the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xtl.errors import UserError
from xtl.tasks.families import evaluable_family
from xtl.tasks.family import Prediction, Row, example_id


def rescore(
    family_name: str, rows: Mapping[str, Sequence[Row]], predictions: Sequence[Prediction]
) -> dict[str, dict[str, float]]:
    """Language → metric → percent, for the languages of `rows`.

    Raises UserError where a language's predictions are not those of its rows, one for each.
    """
    kind = evaluable_family(family_name)
    metrics: dict[str, dict[str, float]] = {}
    for language, given in rows.items():
        said = _aligned(given, [each for each in predictions if each.language == language])
        metrics[language] = kind.summarise(kind.rescore(given, said, language))
    return metrics


def _aligned(rows: Sequence[Row], said: Sequence[Prediction]) -> list[Prediction]:
    """In the rows' order, whatever the file's."""
    wanted = [example_id(row, index) for index, row in enumerate(rows)]
    if [each.example_id for each in said] == wanted:
        return list(said)
    by_id = {each.example_id: each for each in said}
    absent = [name for name in wanted if name not in by_id]
    if absent or len(said) != len(wanted):
        raise UserError(
            f"predictions: {len(said)} for {len(wanted)} rows, {len(absent)} rows without one"
            + (f" (first: {absent[0]})" if absent else "")
        )
    return [by_id[name] for name in wanted]
