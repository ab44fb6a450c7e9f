"""What the token cache spares a training, and what making it costs. Run: make bench

Times are of one run, on as many cores as the machine has to give; the two ways to the first
update's features are taken in turn, and both begin with a tokenizer or a pool that is not open.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.tiny import tokenizer_into
from xtl.data.batches import update_examples
from xtl.data.subsets import ranking, row_digests
from xtl.model import tokenizer as tokenizers
from xtl.model.tokenizer import load_tokenizer, tokenizer_hash
from xtl.tasks.family import Feature, FeatureSettings
from xtl.tasks.pools import PoolRequest, open_pool
from xtl.tasks.settings import Recipe
from xtl.tasks.span_maker import MAKER
from xtl.tasks.tokenising import ensure_pool

ROWS, BATCH, RUNS = 20_000, 32, 3
RECIPE = Recipe(batch_size=BATCH, learning_rate=1e-5)
SENTENCE = "The river {} rises in the hills of {} and flows past {} villages before the sea. "


def question(number: int) -> dict[str, Any]:
    """One of five on its paragraph, which is about as long as one of SQuAD's."""
    place = number // 5
    context = "".join(SENTENCE.format(place + k, k, place - k) for k in range(8))
    answers = {"text": [str(place)], "answer_start": [len("The river ")]}
    asked = f"Question {number}: which river flows past the villages?"
    return {"id": str(number), "context": context, "question": asked, "answers": answers}


def tokenising(rows: list[dict[str, Any]], folder: Path) -> list[Feature]:
    """The first update's features without a cache: the whole pool's are made."""
    tokenizers._load.cache_clear()
    places = ranking(row_digests(rows), seed=1)
    chosen = [rows[place] for place in places]
    windows = MAKER.train_features(chosen, load_tokenizer(folder), FeatureSettings.of(RECIPE))
    wanted = set(update_examples(len(chosen), BATCH, update=0, seed=1).tolist())
    return [window for window in windows if window.example in wanted]


def opening(mirror: Path, request: PoolRequest) -> list[Feature]:
    pool = open_pool(mirror, request)
    windows = pool.examples(pool.subset(pool.rows, seed=1))
    places = update_examples(len(windows), BATCH, update=0, seed=1).tolist()
    return [window for place in places for window in windows[place]]


def building(
    mirror: Path, request: PoolRequest, rows: list[dict[str, Any]], folder: Path, processes: int
) -> None:
    ensure_pool(
        mirror, request, lambda: rows, folder, processes=processes, report=lambda line: None
    )


def ids(feature: Feature) -> tuple[int, ...]:
    return feature.input_ids + feature.labels


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    rows = [question(number) for number in range(ROWS)]
    with tempfile.TemporaryDirectory() as scratch:
        folder, mirror = Path(scratch, "tokenizer"), Path(scratch, "1")
        tokenizer_into(folder)
        request = PoolRequest.training("bench", "span-qa", ["rows"], tokenizer_hash(folder), RECIPE)
        built = [
            seconds(partial(building, Path(scratch, str(number)), request, rows, folder, number))
            for number in (1, 2)
        ]
        anew, opened = [], []
        for _ in range(RUNS):
            anew.append(seconds(partial(tokenising, rows, folder)))
            opened.append(seconds(partial(opening, mirror, request)))
        assert sorted(map(ids, tokenising(rows, folder))) == sorted(
            map(ids, opening(mirror, request))
        )
        size = sum(path.stat().st_size for path in request.folder(mirror).iterdir())
        tokens = open_pool(mirror, request).tokens
    print(f"{ROWS:,} span-QA rows, {tokens:,} tokens, {size / 1e6:.0f} MB; {os.cpu_count()} cores")
    print("to the first update's features     median of", RUNS)
    print(f"  tokenising the pool                {statistics.median(anew):8.2f} s")
    print(f"  opening the cache                  {statistics.median(opened):8.2f} s")
    print("building the cache                 one run")
    for number, each in enumerate(built, 1):
        print(
            f"  {number} process{'es' if number > 1 else '  '}                        {each:8.2f} s"
        )


if __name__ == "__main__":
    main()
