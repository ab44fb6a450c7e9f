"""What trainings took of their devices is in the report, where it is known."""

from __future__ import annotations

from dataclasses import replace

from tests.report.sweeps import demo, report_data
from xtl.report.data import HandedOver, ReportData
from xtl.report.html import render
from xtl.report.trained import trained

GIB = 1 << 30


def data(*ended: HandedOver, precision: str = "bf16", deterministic: bool = False) -> ReportData:
    """A sweep of which these trainings have ended."""
    changes = {"precision": precision, "deterministic": deterministic}
    plain = demo()
    found = report_data(
        plain.model_copy(update={"engine": plain.engine.model_copy(update=changes)})
    )
    shards = [key for key, shard in found.plan.shards.items() if shard.stage == "target"]
    return replace(found, handed_over=dict(zip(shards, ended, strict=False)))


def test_memory_is_the_worst_and_utilisation_the_range_of_what_is_known() -> None:
    ended = [
        HandedOver(100, 100, memory_bytes=3 * GIB, utilisation=0.314),
        HandedOver(100, 50, memory_bytes=5 * GIB, utilisation=0.45),
        HandedOver(100, 100),
    ]
    assert trained(data(*ended)) == "peak memory 5.0 GiB a rank; utilisation 31% to 45%"
    assert trained(data(ended[0])) == "peak memory 3.0 GiB a rank; utilisation 31%"


def test_updates_that_fp16_skipped_are_counted_where_any_may_be() -> None:
    ended = [HandedOver(400, 400, skipped=3), HandedOver(600, 600)]
    assert trained(data(*ended, precision="fp16")) == (
        "3 of 1,000 updates skipped, in 1 of 2 trainings"
    )
    assert trained(data(ended[1], precision="fp16")) == "0 of 600 updates skipped"
    assert trained(data(ended[1])) == ""


def test_the_page_says_it_beside_the_engine_and_nothing_before_a_training_has_ended() -> None:
    page = render(data(HandedOver(4, 4, memory_bytes=GIB), deterministic=True))
    assert "bf16, deterministic" in page
    assert "<dt>Trainings</dt>" in page
    assert "peak memory 1.0 GiB a rank" in page
    bare = render(data())
    assert "<dt>Trainings</dt>" not in bare
    assert ", deterministic" not in bare
