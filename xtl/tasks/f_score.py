"""F1 out of counts: of chunks that are tagged, and of pairs that are mined. Torch-free."""

from __future__ import annotations


def f1_of_counts(gold: int, said: int, right: int) -> dict[str, float]:
    """F1, precision and recall in percent; each 0 where it would be a division by nothing."""
    return {
        "f1": percent(2 * right, gold + said),
        "precision": percent(right, said),
        "recall": percent(right, gold),
    }


def percent(part: int, whole: int) -> float:
    """0 of nothing."""
    return 100 * part / whole if whole else 0.0
