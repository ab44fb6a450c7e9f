"""docs/extending.md, run: its package, its manifest and a tiny BERT, through to the table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.bench import Bench
from tests.extending import FILES, MANIFEST, install_the_document_s, write_tiny_bert

RIVERS = ("Ouse", "Tana", "Tiber", "Rhine", "Volga", "Ganges", "Mekong", "Nile")
THINGS = ("rises", "floods", "freezes", "dries up", "turns north")


def sentences() -> list[tuple[str, str, bool]]:
    """Pairs, and whether both are about the same river."""
    return [
        (f"The {one} {thing}.", f"It is the {other} that {thing}, they say.", one == other)
        for number, one in enumerate(RIVERS)
        for thing in THINGS
        for other in (one, RIVERS[number - 1])
    ]


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def write_data(folder: Path) -> None:
    """The document's own records first, then enough more to train on."""
    pairs = [{"sentence1": one, "sentence2": two} for one, two, _ in sentences()]
    same = [alike for _, _, alike in sentences()]
    named = [{**row, "label": ("other", "same")[it]} for row, it in zip(pairs, same, strict=True)]
    scored = [{**row, "score": 4.5 if it else 0.5} for row, it in zip(pairs, same, strict=True)]
    graded = "".join(f'{row["sentence1"]},"{row["sentence2"]}",{row["score"]}\n' for row in scored)
    (folder / "my").mkdir()
    (folder / "my/headlines.jsonl").write_text(FILES["my/headlines.jsonl"] + lines(named))
    (folder / "my/sts.csv").write_text(FILES["my/sts.csv"] + graded)
    for language in ("en", "sw"):
        (folder / f"my/sts.{language}.jsonl").write_text(
            FILES["my/sts.en.jsonl"] + lines(scored[:20])
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("extended")
    write_data(folder)
    texts = [text for one, two, _ in sentences() for text in (one, two)]
    write_tiny_bert(folder / "hub" / "tests" / "tiny-bert", texts)
    (folder / "tiny.yaml").write_text(MANIFEST.replace("my/", f"{folder}/my/"))
    env = {**os.environ, "XTL_HUB": str(folder / "hub"), "XTL_CACHE": str(folder / "cache")}
    env |= {"COLUMNS": "80"}
    env.pop("WANDB_MODE", None)
    return Bench(folder, env, packages=(install_the_document_s(folder / "packages"),))


@pytest.mark.long
def test_what_the_document_adds_is_prepared_swept_and_in_the_table(bench: Bench) -> None:
    done = bench.run("prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    model = json.loads((bench.root / "lock.json").read_text())["model"]
    assert (model["layers"], model["hidden"], model["heads"]) == (2, 32, 4)
    assert 0 < model["embedding_parameters"] < model["parameters"]

    bench.sweep()
    shards = bench.shards()
    assert {each["state"] for each in shards.values()} == {"done"}

    import pandas as pd

    table = pd.read_parquet(bench.root / "table.parquet")
    found = table[table["set"] == "sts-test"]
    assert set(found["language"]) == {"en", "sw"}
    assert set(found["metric"]) == {"pearson", "spearman"}
    assert found["value"].between(-100, 100).all()

    claims = sorted((bench.root / "shards").glob("*/attempts/*/claim.json"))
    assert {json.loads(path.read_text())["versions"]["my-xtl"] for path in claims} == {"1.0"}

    # The frozen word embeddings came from under the prefix that the checkpoint gives them.
    from safetensors import safe_open

    for artifact in (bench.root / "shards").glob("*/artifact"):
        names: set[str] = set()
        for path in artifact.glob("model*.safetensors"):
            with safe_open(path, framework="np") as file:
                names |= set(file.keys())
        assert "embeddings.word_embeddings.weight" in names
