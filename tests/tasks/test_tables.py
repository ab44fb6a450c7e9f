from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
import yaml

from tests.records import real_records
from tests.tasks.records import question
from tests.tasks.snapshots import read, write
from xtl.data import lookup
from xtl.errors import UserError
from xtl.tasks import mining_rows, repairs, tables
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.entries import DatasetRef
from xtl.tasks.forms import form_named, known_form
from xtl.tasks.tables import content_hash, read_table, texts

NLI = ("entailment", "neutral", "contradiction")
PAIR = {"sentence1": "It rains.", "sentence2": "It is dry.", "label": 2}
CHOICES = {"prompt": "He sat", "choices": ["down.", "up."], "label": 0}


def refused(folder: Path, rows: list[dict[str, Any]], form: str, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, rows, form, **more)
    line = str(caught.value)
    assert line.startswith(f"{folder}: set/train: ")
    assert "\n" not in line
    return line.removeprefix(f"{folder}: set/train: ")


# ---- rows that break the schema ---------------------------------------------------------------
def test_a_missing_column_is_named(tmp_path: Path) -> None:
    rows = [{"sentence1": "a", "label": 0}]
    line = refused(tmp_path, rows, "own:sentence-pair")
    assert line == "row 1: sentence2: found nothing, expected text"


def test_an_empty_cell_is_named_with_its_row(tmp_path: Path) -> None:
    rows = [PAIR, PAIR, {**PAIR, "sentence2": None}]
    line = refused(tmp_path, rows, "own:sentence-pair")
    assert line == "row 3: sentence2: found None, expected text"


def test_rows_are_counted_as_the_files_have_them(tmp_path: Path) -> None:
    rows = [{**PAIR, "label": -1}, {**PAIR, "label": -1}, {**PAIR, "label": 3}]
    line = refused(tmp_path, rows, "own:sentence-pair", labels=NLI)
    assert line == (
        "row 3: label: found 3, expected one of 0 (entailment), 1 (neutral), 2 (contradiction)"
    )


def test_a_label_that_is_no_name_is_named(tmp_path: Path) -> None:
    rows = [{**PAIR, "label": "neutral"}, {**PAIR, "label": "perhaps"}]
    line = refused(tmp_path, rows, "own:sentence-pair", labels=NLI)
    assert line.startswith("row 2: label: found 'perhaps', expected one of 0 (entailment), 1 ")


def test_names_without_a_task_to_number_them_are_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, [{**PAIR, "label": "yes"}], "own:sentence-pair")
    assert line == "row 1: label: found 'yes', expected a class number"


@pytest.mark.parametrize("label", [0.5, True, [1]])
def test_a_label_of_another_kind_is_refused(label: object, tmp_path: Path) -> None:
    line = refused(tmp_path, [{**PAIR, "label": label}], "own:sentence-pair", labels=NLI)
    assert line.startswith(f"row 1: label: found {label}, expected")


def test_a_negative_class_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, [PAIR, {**PAIR, "label": -2}], "own:sentence-pair")
    assert line == "row 2: label: found -2, expected a class number"


def test_a_choice_beyond_the_row_s_choices_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, [CHOICES, {**CHOICES, "label": 2}], "own:multiple-choice")
    assert line == "row 2: label: found 2, expected 0 to 1, the number of a choice"


def test_numbers_for_text_are_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, [{"text": 7}], "own:masked-lm")
    assert line == "row 1: text: found 7, expected text"


def test_a_tag_too_few_is_refused(tmp_path: Path) -> None:
    rows = [{"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a", "b"], "tags": ["O"]}]
    line = refused(tmp_path, rows, "own:tagging")
    assert line == "row 2: tags: found 1, expected one a token, 2"


def test_an_unknown_tag_is_refused(tmp_path: Path) -> None:
    rows = [{"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a"], "tags": ["Q"]}]
    line = refused(tmp_path, rows, "own:tagging", labels=("O", "B-PER"))
    assert line == "row 2: tags: found 'Q', expected O, B-PER"


def test_a_tag_number_beyond_the_set_s_is_refused(tmp_path: Path) -> None:
    rows = [{"tokens": ["a"], "ner_tags": [0]}, {"tokens": ["a"], "ner_tags": [7]}]
    line = refused(tmp_path, rows, "panx")
    assert line == "row 2: tags: found 7, expected one of 7 tags from 0"


def test_answers_of_different_lengths_are_refused(tmp_path: Path) -> None:
    row = question("Tana ni mto.", "Tana")
    row["answers"]["answer_start"] = [0, 3]
    line = refused(tmp_path, [question("Tana.", "Tana"), row], "own:span-qa")
    assert line.startswith("row 2: answers: found {'")
    assert line.endswith("expected lists `text` and `answer_start` of one length")


def test_a_row_that_a_form_cannot_read_is_named(tmp_path: Path) -> None:
    row = {"ctx_a": "A.", "ctx_b": "he", "endings": ["x", "y"], "label": "0"}
    assert refused(tmp_path, [row, {**row, "ctx_b": None}], "hellaswag").startswith("row 2: ctx_b")
    assert refused(tmp_path, [{"label": "0"}], "hellaswag") == (
        "row 1: ctx_b: found nothing, expected a column of that name"
    )


# ---- what comes out ---------------------------------------------------------------------------
def test_types_are_the_same_whatever_the_files_hold(tmp_path: Path) -> None:
    rows = [question("Tana ni mto.", "Tana", name="7")]
    expected = read(tmp_path / "a", rows, "squad").rows
    wide = pa.Table.from_pylist([{**rows[0], "id": 7}])
    answers = wide["answers"].cast(
        pa.struct([("answer_start", pa.list_(pa.int64())), ("text", pa.large_list(pa.string()))])
        if wide.schema.field("answers").type.field(0).name == "answer_start"
        else pa.struct(
            [("text", pa.large_list(pa.string())), ("answer_start", pa.list_(pa.int64()))]
        )
    )
    (tmp_path / "b" / "set").mkdir(parents=True)
    table = wide.set_column(wide.column_names.index("answers"), "answers", answers)
    pa.parquet.write_table(table, tmp_path / "b" / "set" / "train-00000-of-00001.parquet")
    found = read_table(tmp_path / "b", DatasetRef("our/set", "set", "train", "squad")).rows
    assert found.features == expected.features
    assert found.to_list() == expected.to_list()


def test_ids_that_are_not_unique_are_dropped_where_the_family_needs_none(tmp_path: Path) -> None:
    rows = [{**PAIR, "id": "a"}, {**PAIR, "id": "a"}]
    assert "id" not in read(tmp_path, rows, "own:sentence-pair").rows.column_names


def test_the_content_s_hash_is_of_canonical_json_lines(tmp_path: Path) -> None:
    rows = read(tmp_path, [PAIR, {**PAIR, "sentence2": "Ça sèche."}], "own:sentence-pair").rows
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows]
    assert content_hash(rows) == sha256("".join(lines).encode()).hexdigest()


def test_the_same_rows_in_other_files_have_the_same_hash(tmp_path: Path) -> None:
    named = [{"premise": "a", "hypothesis": "b", "label": "2"}] * 3
    plain = [{"sentence1": "a", "sentence2": "b", "label": "contradiction", "note": "x"}] * 3
    one = read(tmp_path / "one", named, "nli").rows
    (tmp_path / "two").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in plain)
    (tmp_path / "two" / "train.jsonl").write_text(lines)
    ref = DatasetRef("our/two", "default", "train", "own:sentence-pair")
    two = read_table(tmp_path / "two", ref, NLI).rows
    assert content_hash(one) == content_hash(two)


def test_another_order_or_another_label_is_other_content(tmp_path: Path) -> None:
    rows = [PAIR, {**PAIR, "label": 0}]
    known = {
        content_hash(read(tmp_path / str(place), each, "own:sentence-pair").rows)
        for place, each in enumerate((rows, rows[::-1], [PAIR, PAIR], [PAIR]))
    }
    assert len(known) == 4


def test_a_choice_of_rows_is_hashed_and_searched_as_chosen(tmp_path: Path) -> None:
    rows = read(tmp_path, [{"text": text} for text in "abc"], "own:masked-lm").rows
    assert list(texts(rows.select([2, 0]), "masked-lm")) == ["c", "a"]
    assert content_hash(rows.select([0, 1, 2])) == content_hash(rows)


@pytest.mark.parametrize(
    ("form", "rows", "expected"),
    [
        ("own:span-qa", [question("Tana.", "Tana", "Nini?"), question("Nile.", "Nile", "Nini?")],
         ["Tana.", "Nile."]),
        ("own:sentence-pair", [PAIR], ["It rains.", "It is dry."]),
        ("own:multiple-choice", [CHOICES], ["He sat", "down.", "up."]),
        ("own:tagging", [{"tokens": ["Ann", "sleeps"], "tags": ["B", "O"]}], ["Ann sleeps"]),
        ("own:retrieval", [{"source_sentence": "Ja.", "target_sentence": "Yes."}], ["Ja.", "Yes."]),
        ("own:masked-lm", [{"text": "A page."}], ["A page."]),
    ],
)  # fmt: skip
def test_a_search_for_leaks_sees_all_that_a_model_reads(
    form: str, rows: list[dict[str, Any]], expected: list[str], tmp_path: Path
) -> None:
    found = read(tmp_path, rows, form).rows
    assert list(texts(found, form.removeprefix("own:"))) == expected


def test_contexts_that_several_questions_share_are_searched_once(tmp_path: Path) -> None:
    rows = [question("Tana.", "Tana", name=str(number)) for number in range(5)]
    assert list(texts(read(tmp_path, rows, "squad").rows, "span-qa")) == ["Tana."]


@pytest.mark.slow
def test_reading_a_table_of_parquet_imports_no_torch(tmp_path: Path) -> None:
    write(tmp_path, [question("Tana.", "Tana", start=3)])
    program = (
        "import sys; from pathlib import Path\n"
        "from xtl.tasks.entries import DatasetRef\n"
        "from xtl.tasks.tables import content_hash, read_table\n"
        "ref = DatasetRef('our/set', 'set', 'train', 'squad')\n"
        "content_hash(read_table(Path(sys.argv[1]), ref).rows)\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "row"),
    [
        ("own:span-qa", question("Tana ni mto. " * 100, "mto", start=8)),
        ("own:tagging", {"tokens": ["mto"] * 200, "tags": ["N"] * 200}),
    ],
)
def test_rows_are_plain_objects_a_batch_at_a_time(
    form: str, row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs, "_BATCH_ROWS", 100)
    pool = [{**row, "id": str(number)} for number in range(4000)]
    write(tmp_path, pool)
    ref = DatasetRef("our/set", "set", "train", form)
    canonical, _ = tables._shaped(tmp_path, ref, form_named(form), (), None)
    tracemalloc.start()
    for repair in form_named(form).repairs:
        canonical, _ = repair(canonical, ref, False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(canonical) == 4000
    assert peak < 4 * 2**20


# ---- the demo's records -----------------------------------------------------------------------
def test_the_demo_s_tables_are_as_large_as_the_catalogue_says_and_faultless(tmp_path: Path) -> None:
    lookup.build(tmp_path)
    sizes = [(ref, task.rows) for task in TASKS.values() for ref in task.tables]
    sets = [EVALUATION_SETS[name] for name in ("lookup-qa", "lookup-pairs")]
    sizes += [(entry.table(code), entry.rows) for entry in sets for code in entry.languages]
    for ref, rows in sizes:
        if ref.repo == lookup.REPO:
            found = read_table(tmp_path, ref)
            assert (len(found.rows), found.faults) == (rows, {}), ref


# ---- the real records -------------------------------------------------------------------------
MOVED_IN_XQUAD = {"ar": 26, "en": 5, "es": 5, "hi": 13, "ru": 5, "th": 10, "vi": 5, "zh": 100}


def known_faults() -> Counter[tuple[str, str, str, str]]:
    """(repo, config up to its full stop, split, words) → rows, as the sets' own notes have them."""
    known: Counter[tuple[str, str, str, str]] = Counter()
    for repo, config in (
        ("google-research-datasets/tydiqa", "secondary_task"),
        ("google/xtreme", "tydiqa"),
    ):
        known[repo, config, "validation", repairs.MOVED] = 1283
        known[repo, config, "train", repairs.MOVED] = 48 + 505 + 478  # English, Korean, Swahili
    for repo, config in (
        ("google-research-datasets/xquad", "xquad"),
        ("google/xtreme", "XQuAD"),
    ):
        known[repo, config, "validation", repairs.MOVED] = sum(MOVED_IN_XQUAD.values())
    known["google/xtreme", "tatoeba", "validation", repairs.LINE_BREAK] = 31_692  # every sentence
    known["google/xtreme", "bucc18", "validation", repairs.NO_POOLS] = 257
    pools = "xtl/bucc2018-zh-en-dev-pool"
    known[pools, "gold", "validation", mining_rows.halved("dev")] = 8_624 + 13_589
    known["tau/commonsense_qa", "default", "test", repairs.UNLABELLED] = 1140
    return known


@pytest.mark.slow
def test_every_config_of_the_hub_s_records_loads_with_its_faults_counted() -> None:
    hub = real_records()
    found: Counter[tuple[str, str, str, str]] = Counter()
    configs = 0
    for card in sorted(hub.glob("*/*/README.md")):
        repo = card.parent.relative_to(hub).as_posix()
        front = yaml.load(card.read_text(encoding="utf-8").split("---\n")[1], yaml.CSafeLoader)
        for info in front["dataset_info"]:
            configs += 1
            for split in info["splits"]:
                name, config = split["name"], info["config_name"]
                ref = DatasetRef(repo, config, name, known_form(repo, config) or "none")
                table = read_table(hub / repo, ref)
                left_out = table.faults.get(repairs.UNLABELLED, 0)
                sentences = {"xtl/bucc2018-zh-en-dev-pool/gold": 8_624 + 13_589}
                expected = sentences.get(f"{repo}/{config}", split["num_examples"])
                assert len(table.rows) + left_out == expected, (repo, config, name)
                for words, rows in table.faults.items():
                    found[repo, config.partition(".")[0], name, words] += rows
    assert configs == 248
    assert found == known_faults()


def test_features_of_a_card_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    """A card's class names reach the rows, though the files do not hold them."""
    write(tmp_path, [{"tokens": ["Ann"], "tags": [1]}])
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n- config_name: set\n  features:\n  - name: tokens\n"
        "    sequence: string\n  - name: tags\n    sequence:\n      class_label:\n"
        "        names:\n          '0': X\n          '1': Y\n  splits:\n  - name: train\n"
        "    num_examples: 1\nconfigs:\n- config_name: set\n  data_files:\n  - split: train\n"
        "    path: set/train-*\n---\n# A set\n"
    )
    ref = DatasetRef("our/set", "set", "train", "own:tagging")
    assert read_table(tmp_path, ref).rows["tags"][:] == [["Y"]]
    library = datasets.load_dataset(
        str(tmp_path), "set", split="train", cache_dir=str(tmp_path / "cache")
    )
    assert library.features["tags"].feature.names == ["X", "Y"]
