"""Where a training's time goes, how much of a device it uses, and what memory it takes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import DistilBertConfig, DistilBertModel, XLMRobertaModel

from tests.xlm_r import configuration
from xtl.sweep.cards import peak_tflops
from xtl.train.history import History
from xtl.train.timing import Clock, Work, begin_peak, peak_bytes, peak_operations
from xtl.train.update import Report

CPU = torch.device("cpu")

REPORT = Report(
    task="",
    loss=1.0,
    accuracy=0.5,
    learning_rate=1e-5,
    grad_norm=None,
    skipped=False,
    useful_tokens=300,
    slots=400,
    seconds=2.0,
    least_seconds=0.5,
    memory_bytes=3 << 30,
    stop=False,
    save=False,
)


@pytest.fixture(scope="module")
def large() -> Work:
    """XLM-R Large, without its weights."""
    with torch.device("meta"):
        work = Work.of(XLMRobertaModel(configuration("large"), add_pooling_layer=False))
    assert work is not None
    return work


def test_the_body_is_the_encoder_without_its_embeddings(large: Work) -> None:
    layer = 12 * 1024**2 + 13 * 1024  # six matrices, their biases, two norms
    assert large == Work(body=24 * layer + 2 * 1024, layers=24, hidden=1024)  # a norm on embeddings


@pytest.mark.parametrize(("length", "giga"), [(128, 1.85), (384, 1.93)])
def test_a_token_of_xlm_r_large_costs_what_is_known_of_it(
    large: Work, length: int, giga: float
) -> None:
    assert large.operations([length]) / length / 1e9 == pytest.approx(giga, abs=0.005)


def test_each_sequence_attends_to_itself_alone(large: Work) -> None:
    apart = large.operations([100, 300])
    assert apart == large.operations([100]) + large.operations([300])
    assert apart < large.operations([400])


def test_an_encoder_that_calls_its_sizes_otherwise_is_counted_too() -> None:
    config = DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, vocab_size=50)
    work = Work.of(DistilBertModel(config))
    assert work is not None
    assert (work.layers, work.hidden) == (2, 32)


def test_one_that_does_not_say_them_is_not() -> None:
    assert Work.of(nn.Linear(2, 2)) is None


@pytest.mark.parametrize(
    ("name", "precision", "rate"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989),
        ("NVIDIA H100 PCIe", "bf16", 756),
        ("NVIDIA A100-SXM4-80GB", "fp16", 312),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bf16", 312 / 7),
        ("NVIDIA A100-PCIE-40GB", "fp32", 19.5),
        ("Tesla V100-SXM2-16GB", "fp16", 125),
        ("NVIDIA RTX 6000 Ada Generation", "bf16", 364),
        ("NVIDIA K80", "fp32", None),
        ("Quadro P400", "fp16", None),
    ],
)
def test_a_device_promises_what_its_data_sheet_says(name: str, precision: Any, rate: Any) -> None:
    assert peak_tflops(name, precision) == (rate if rate is None else pytest.approx(rate))


def test_a_cpu_promises_nothing() -> None:
    assert peak_operations(CPU, "bf16") is None


def test_utilisation_is_the_share_of_the_time_that_the_data_sheet_would_need() -> None:
    assert REPORT.values()["train/utilisation"] == 0.25
    assert "train/utilisation" not in replace(REPORT, least_seconds=None).values()


def test_a_trainings_utilisation_weighs_updates_by_their_time() -> None:
    history = History()
    for seconds in (1.0, 3.0):
        history.add(replace(REPORT, seconds=seconds))
    assert history.utilisation == 0.25
    history.add(replace(REPORT, least_seconds=None))
    history.add(REPORT)
    assert history.utilisation is None


def test_phases_add_up_over_updates_and_through_a_checkpoint() -> None:
    history = History()
    assert history.spend({"forward": 1.0, "step": 0.5}) == {
        "seconds/forward": 1.0,
        "seconds/step": 0.5,
    }
    resumed = History.of({"validations": [], "phases": {**history.phases}})
    resumed.spend({"forward": 2.0})
    assert resumed.phases == {"forward": 3.0, "step": 0.5}


def test_the_clock_tells_each_phase_once() -> None:
    clock = Clock(CPU)
    for _ in range(2):
        with clock("forward"):
            time.sleep(0.01)
    with clock("data"):
        pass
    time.sleep(0.02)
    spent = clock.take()
    assert 0.02 <= spent["forward"] < 0.04
    assert 0 <= spent["data"] < 0.01
    assert clock.take() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpus_time_is_counted_once_it_has_passed() -> None:
    clock = Clock(torch.device("cuda"))
    matrix = torch.ones(8192, 8192, device="cuda")
    torch.cuda.synchronize()
    with clock("forward"):
        for _ in range(20):
            matrix = matrix @ matrix * 1e-4
    before = clock.take().get("forward", 0.0)
    torch.cuda.synchronize()
    assert before == 0.0
    assert clock.take()["forward"] > 0.01


def test_the_peak_of_memory_is_of_what_came_since_it_was_begun() -> None:
    begin_peak(CPU)
    start = peak_bytes(CPU)
    torch.ones(64 << 20, dtype=torch.uint8)  # gone at once
    assert peak_bytes(CPU) - start > 60 << 20
    begin_peak(CPU)
    assert peak_bytes(CPU) - start < 30 << 20
