"""XLM-R Large's updates, by ZeRO stage and micro-batch, on whatever devices there are. Run: make
bench, or with options of its own: PYTHONPATH=. .venv/bin/python benchmarks/training_step.py --help

Its own configuration with random weights takes updates through the project's own engine, on
questions on passages of several lengths. For each setting the ranks are processes of their own. A
row is the mean of the timed updates; utilisation and memory are what a training logs (see
docs/performance.md). A setting that memory does not suffice for says so.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any

import psutil

from benchmarks.training_table import Row, device, show, summary
from tests.tasks.pools import pool_of
from tests.train.trainings import make_part, make_spec
from tests.xlm_r import make_xlm_r
from xtl.launch.machine import cores, gpus
from xtl.sweep.memory import GIB, Load
from xtl.sweep.shard import TrainSpec
from xtl.tasks.settings import Recipe

ROWS = 256
SENTENCE = "The river {} rises in the hills of {} and flows past {} villages before the sea. "


@dataclass(frozen=True)
class Setting:
    """What is timed: a way to compute an update, on a model in `folder`."""

    folder: Path
    spec: TrainSpec
    ranks: int
    zero_stage: int
    micro_batch: int
    warm_up: int
    threads: int

    def __str__(self) -> str:
        return f"ZeRO {self.zero_stage}, micro-batch {self.micro_batch}"


def main() -> None:
    asked = arguments()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_xlm_r(folder / "model", asked.model)
        question_pool(folder, recipe(asked))
        for setting in settings(asked, folder):
            print(f"{setting} …", file=sys.stderr)
            rows.append(timed(setting))
    if asked.json:
        print(json.dumps({"device": device(), **vars(asked), "rows": [*map(asdict, rows)]}))
    else:
        show(asked, rows)


def arguments() -> argparse.Namespace:
    """What is not given suits the devices: a CPU takes few and small updates, and is slow."""
    on_gpu = gpus() > 0
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model", default="large", help="large, base, or a JSON file with a config.json's keys")
    add("--ranks", type=int, default=max(1, gpus()))
    add("--stages", type=int, nargs="+", default=[0, 1, 2, 3] if on_gpu else [0, 1])
    add("--micro-batches", type=int, nargs="+", default=[8, 16, 32] if on_gpu else [2])
    add("--batch", type=int, default=64 if on_gpu else 4, help="questions of an update")
    add("--precision", choices=["bf16", "fp16", "fp32"], default="bf16")
    add("--updates", type=int, default=10 if on_gpu else 2, help="that are timed")
    add("--warm-up", type=int, default=3 if on_gpu else 1, help="updates before them")
    add("--json", action="store_true", help="the same for machines")
    return parser.parse_args()


def settings(asked: argparse.Namespace, folder: Path) -> Iterator[Setting]:
    spec = make_spec(
        precision=asked.precision, updates=asked.warm_up + asked.updates, freeze=()
    ).model_copy(
        update={"recipe": recipe(asked), "parts": (make_part("questions", examples=ROWS),)}
    )
    threads = max(1, cores() // asked.ranks)
    for stage, micro_batch in product(asked.stages, asked.micro_batches):
        yield Setting(folder, spec, asked.ranks, stage, micro_batch, asked.warm_up, threads)


def recipe(asked: argparse.Namespace) -> Recipe:
    return Recipe(batch_size=asked.batch, learning_rate=1e-5)


def question_pool(folder: Path, recipe: Recipe) -> Any:
    """Questions on passages of 5 to 25 sentences, so that lengths differ and some have windows."""
    return pool_of(folder, [*map(question, range(ROWS))], folder / "model", settings=recipe)


def question(number: int) -> dict[str, Any]:
    lines = 5 + number * 7 % 21
    context = "".join(SENTENCE.format(number + k, k, number - k) for k in range(lines))
    answers = {"text": [str(number)], "answer_start": [len("The river ")]}
    asked = "Which river flows past the villages?"
    return {"id": str(number), "context": context, "question": asked, "answers": answers}


def timed(setting: Setting) -> Row:
    """One row, measured by processes of its own."""
    row = partial(Row, setting.zero_stage, setting.micro_batch)
    if fault := too_large(setting):
        return row(fault=fault)
    context = multiprocessing.get_context("spawn")
    said: Queue[Any] = context.Queue()
    port = free_port()
    ranks = [
        context.Process(target=rank, args=(number, port, setting, said))
        for number in range(setting.ranks)
    ]
    for process in ranks:
        process.start()
    found = answer(said, ranks)
    for process in ranks:
        if isinstance(found, str):
            process.kill()
        process.join()
    return row(fault=found) if isinstance(found, str) else row(**summary(found))


def too_large(setting: Setting) -> str:
    """On a CPU, where others would be killed for want of memory; empty where there is enough."""
    if gpus():
        return ""
    need = setting.ranks * load_of(setting).need(setting.zero_stage, setting.micro_batch)
    there = psutil.virtual_memory().available / GIB
    return f"not begun: about {need:.0f} of {there:.0f} GiB" if need > there else ""


def load_of(setting: Setting) -> Load:
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig.from_pretrained(setting.folder / "model")
    with torch.device("meta"):
        model = XLMRobertaModel(config, add_pooling_layer=False)
    return Load(
        trainable=model.num_parameters(),
        frozen=0,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        length=setting.spec.recipe.max_length,
        share=setting.spec.recipe.batch_size,
        ranks=setting.ranks,
        precision=setting.spec.precision,
    )


def answer(said: Queue[Any], ranks: Sequence[Any]) -> list[dict[str, Any]] | str:
    """What the first rank to speak says: the timed updates, or what went wrong."""
    while True:
        try:
            found: list[dict[str, Any]] | str = said.get(timeout=1)
            return found
        except Empty:
            ended = [process.exitcode for process in ranks if process.exitcode]
            if ended:
                return f"a rank ended with {ended[0]}"


def rank(number: int, port: int, setting: Setting, said: Queue[Any]) -> None:
    """One process of a setting; rank 0 tells the updates, any rank its failure."""
    os.environ.update(
        RANK=str(number),
        WORLD_SIZE=str(setting.ranks),
        LOCAL_RANK=str(number),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    import torch

    torch.set_num_threads(setting.threads)
    try:
        updates = taken(setting)
        if number == 0:
            said.put(updates)
    except torch.cuda.OutOfMemoryError:
        said.put("out of memory")
    except Exception as error:
        said.put(f"{type(error).__name__}: {error}".splitlines()[0])


def taken(setting: Setting) -> list[dict[str, Any]]:
    """What the timed updates report of themselves, by this rank."""
    import torch.distributed as dist

    from xtl.model.device import device as own_device
    from xtl.train.building import build, vocabulary
    from xtl.train.distributed import init_distributed
    from xtl.train.engine import Engine
    from xtl.train.lessons import Lessons
    from xtl.train.settings import EngineSettings
    from xtl.train.timing import begin_peak
    from xtl.train.update import Updater

    init_distributed()
    begin_peak(own_device())
    model, spec = setting.folder / "model", setting.spec
    how = EngineSettings(setting.ranks, setting.zero_stage, setting.micro_batch)
    pool = question_pool(setting.folder, spec.recipe)
    engine = Engine(build(spec, model), spec, how)
    updater = Updater(engine, spec, how, Lessons(spec, (pool,), partial(vocabulary, model)))
    found = []
    for update in range(spec.updates):
        report = updater.take(update, stop=False, save=False)
        found.append({**asdict(report), "phases": dict(engine.clock.take())})
    engine.close()
    dist.destroy_process_group()
    return found[setting.warm_up :]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
