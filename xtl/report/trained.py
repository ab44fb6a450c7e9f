"""How trainings were computed, in a line: memory, utilisation, and updates that fp16 skipped."""

from __future__ import annotations

from collections.abc import Collection

from xtl.report.data import HandedOver, ReportData
from xtl.report.numbers import count, plural


def trained(data: ReportData) -> str:
    """`peak memory 9.8 GiB a rank; utilisation 31% to 45%; 3 of 400 updates skipped, in 2 trainings
    of 12`; "" where no training has ended. Utilisation is told where it is known."""
    ended = [each for shard, each in data.handed_over.items() if shard in data.plan.shards]
    skipping = data.manifest.engine.precision == "fp16"
    return "; ".join(
        filter(None, [_memory(ended), _utilisation(ended), _skipped(ended) if skipping else ""])
    )


def _memory(ended: Collection[HandedOver]) -> str:
    most = max((each.memory_bytes for each in ended), default=0)
    return f"peak memory {most / 2**30:.1f} GiB a rank" if most else ""


def _utilisation(ended: Collection[HandedOver]) -> str:
    known = [each.utilisation for each in ended if each.utilisation is not None]
    if not known:
        return ""
    low, high = (f"{100 * share:.0f}%" for share in (min(known), max(known)))
    return f"utilisation {low}" if low == high else f"utilisation {low} to {high}"


def _skipped(ended: Collection[HandedOver]) -> str:
    if not ended:
        return ""
    updates, skipped = sum(each.updates for each in ended), sum(each.skipped for each in ended)
    where = sum(each.skipped > 0 for each in ended)
    some = f", in {count(where)} of {plural(len(ended), 'training')}" if where else ""
    return f"{count(skipped)} of {plural(updates, 'update')} skipped{some}"
