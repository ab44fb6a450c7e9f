from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtl.data.loading import config_names, load_rows
from xtl.errors import UserError

SQUAD_COLUMNS = ["id", "title", "context", "question", "answers"]


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The hub's layout without a README: a folder a config, files named by split."""
    write_rows(tmp_path / "en" / "train-00000-of-00002.parquet", [{"a": 1}, {"a": 2}])
    write_rows(tmp_path / "en" / "train-00001-of-00002.parquet", [{"a": 3}])
    write_rows(tmp_path / "de" / "validation-00000-of-00001.parquet", [{"a": 9}])
    return tmp_path


def test_a_generated_config_has_squad_s_columns_and_types(lookup_folder: Path) -> None:
    import datasets

    rows = load_rows(lookup_folder, "sw", "validation")
    text = datasets.Value("string")
    start = datasets.Value("int32")
    assert rows.column_names == SQUAD_COLUMNS
    assert rows.features["answers"] == {
        "text": datasets.List(text), "answer_start": datasets.List(start)
    }  # fmt: skip
    assert len(rows) == 96


def test_folders_are_configs_where_no_readme_says_so(plain: Path) -> None:
    assert config_names(plain) == ["de", "en"]
    assert load_rows(plain, "en", "train")["a"][:] == [1, 2, 3]
    assert load_rows(plain, "de", "validation")["a"][:] == [9]


def test_a_readme_s_configs_win_over_folders(plain: Path) -> None:
    readme = "---\nconfigs:\n- config_name: both\n  data_files:\n"
    readme += "  - split: all\n    path: ['en/*', 'de/*']\n---\n# A set\n"
    (plain / "README.md").write_text(readme)
    assert config_names(plain) == ["both"]
    assert sorted(load_rows(plain, "both", "all")["a"]) == [1, 2, 3, 9]


def test_files_in_the_folder_itself_are_the_default_config(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "test.jsonl").write_text('{"a": 3}\n')
    assert config_names(tmp_path) == ["default"]
    assert load_rows(tmp_path, "default", "train")["a"][:] == [1, 2]


def test_a_missing_config_is_a_user_error_that_names_those_there_are(plain: Path) -> None:
    with pytest.raises(UserError, match=r"found no config fr, expected one of de, en$"):
        load_rows(plain, "fr", "train")


def test_a_missing_split_is_a_user_error_that_names_those_there_are(plain: Path) -> None:
    with pytest.raises(UserError, match=r"config en: found no split test, expected one of train$"):
        load_rows(plain, "en", "test")


def test_a_missing_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no such folder"):
        load_rows(tmp_path / "nothing", "en", "train")


def test_a_cut_file_is_a_user_error_in_one_line(plain: Path) -> None:
    cut = plain / "de" / "validation-00000-of-00001.parquet"
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(UserError, match="de/validation cannot be read") as caught:
        load_rows(plain, "de", "validation")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_loading_writes_nothing_at_home_and_asks_no_network(tmp_path: Path) -> None:
    home, lines = tmp_path / "home", tmp_path / "lines"
    home.mkdir()
    lines.mkdir()
    (lines / "train.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a": 3}\n')
    code = (
        "import sys; from pathlib import Path; from xtl.data.loading import load_rows\n"
        "print(len(load_rows(Path(sys.argv[1]), 'default', 'train', Path(sys.argv[2]))))\n"
    )
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "XDG"))}
    changed = {"HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", code, str(lines), str(tmp_path / "scratch")]
    done = subprocess.run(command, capture_output=True, text=True, env=kept | changed)
    assert done.stdout == "3\n", done.stderr
    assert list(home.rglob("*")) == []
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("repo", "config", "split", "rows"),
    [
        ("rajpurkar/squad_v2", "squad_v2", "validation", 6078),
        ("google-research-datasets/xquad", "xquad.th", "validation", 1190),
        ("google/xtreme", "tatoeba.swh", "validation", 390),
        ("facebook/xnli", "sw", "test", 5010),
        ("google/xtreme", "udpos.Thai", "test", 1000),
    ],
)
@pytest.mark.slow
def test_a_hub_set_s_config_loads(hub: Path, repo: str, config: str, split: str, rows: int) -> None:
    assert len(load_rows(hub / repo, config, split)) == rows


@pytest.mark.slow
def test_the_generated_questions_have_the_hub_s_own_features(
    hub: Path, lookup_folder: Path
) -> None:
    squad = load_rows(hub / "rajpurkar/squad_v2", "squad_v2", "validation")
    assert load_rows(lookup_folder, "pool", "train").features == squad.features


@pytest.mark.slow
def test_the_generated_pairs_have_the_hub_s_own_columns(hub: Path, lookup_folder: Path) -> None:
    tatoeba = load_rows(hub / "google/xtreme", "tatoeba.swh", "validation")
    assert load_rows(lookup_folder, "pairs.sw", "validation").features == tatoeba.features


@pytest.mark.slow
def test_class_labels_keep_their_names(hub: Path) -> None:
    label = load_rows(hub / "facebook/xnli", "sw", "test").features["label"]
    assert label.names == ["entailment", "neutral", "contradiction"]


def test_a_readme_s_parquet_files_have_the_features_that_it_says(plain: Path) -> None:
    (plain / "README.md").write_text(
        "---\ndataset_info:\n- config_name: both\n  features:\n  - name: a\n    dtype:\n"
        "      class_label:\n        names:\n          '0': dry\n          '1': wet\n"
        "  splits:\n  - name: train\n    num_examples: 3\n"
        "configs:\n- config_name: both\n  data_files:\n  - split: train\n    path: en/train-*\n"
        "---\n"
    )
    write_rows(plain / "en" / "train-00000-of-00002.parquet", [{"a": 1}, {"a": 0}])
    rows = load_rows(plain, "both", "train")
    assert rows.features["a"].names == ["dry", "wet"]
    assert rows["a"][:] == [1, 0, 3]


def test_a_readme_that_changed_is_read_again(plain: Path) -> None:
    for name in ("one", "other"):
        (plain / "README.md").write_text(
            f"---\nconfigs:\n- config_name: {name}\n  data_files:\n"
            "  - split: train\n    path: en/*\n---\n"
        )
        os.utime(plain / "README.md", ns=(len(name), len(name)))
        assert config_names(plain) == [name]


def test_a_split_without_files_is_a_user_error(plain: Path) -> None:
    (plain / "README.md").write_text(
        "---\nconfigs:\n- config_name: set\n  data_files:\n  - split: train\n    path: fr/*\n---\n"
    )
    with pytest.raises(UserError, match=r"config set: found no split train, expected one of"):
        load_rows(plain, "set", "train")
