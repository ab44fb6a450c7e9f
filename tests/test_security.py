"""Nothing out of a data set, a mirror or a foreign checkpoint is ever run: docs/security.md."""

from __future__ import annotations

import ast
import builtins
import json
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import make_tiny_encoder
from xtl.data.loading import load_rows
from xtl.data.mirror import Mirror
from xtl.data.own.records import read_records
from xtl.data.sources import obtain
from xtl.errors import UserError

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "xtl").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])


class Trap:
    """Its pickle makes a file when it is read."""

    def __init__(self, sprung: Path) -> None:
        self._sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._sprung,)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    """The file that is there once something of a trap was run."""
    return tmp_path / "sprung"


@pytest.fixture
def script(sprung: Path) -> str:
    return f"from pathlib import Path\nPath({str(sprung)!r}).touch()\n"


def test_the_trap_works(sprung: Path, script: str) -> None:
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()
    sprung.unlink()
    exec(script)
    assert sprung.exists()


def test_a_models_pickle_is_neither_fetched_nor_read(tmp_path: Path, sprung: Path) -> None:
    import torch

    from xtl.model.encoder import load_encoder

    folder = tmp_path / "hub" / "own" / "model"
    make_tiny_encoder(folder)
    (folder / "model.safetensors").unlink()
    torch.save(Trap(sprung), folder / "pytorch_model.bin")
    mirror = Mirror(tmp_path / "mirror")
    with pytest.raises(UserError, match=r"found no file of data, expected one of \*\.safetensors"):
        obtain(
            "own/model", "model", mirror,
            cache=tmp_path / "cache", hub=tmp_path / "hub", report=lambda line: None,
        )  # fmt: skip
    with pytest.raises(OSError, match="safetensors"):
        load_encoder(folder, dropout=0.0)
    assert not sprung.exists()


def test_a_models_code_is_not_run(tmp_path: Path, sprung: Path, script: str) -> None:
    from xtl.model.encoder import load_encoder
    from xtl.model.tokenizer import load_tokenizer

    make_tiny_encoder(tmp_path)
    for name in ("modeling_own.py", "configuration_own.py", "tokenization_own.py"):
        (tmp_path / name).write_text(script)
    own = {
        "AutoConfig": "configuration_own.OwnConfig",
        "AutoModel": "modeling_own.OwnModel",
        "AutoTokenizer": [None, "tokenization_own.OwnTokenizer"],
    }
    _change(tmp_path / "config.json", auto_map=own)
    _change(tmp_path / "tokenizer_config.json", auto_map=own, tokenizer_class="OwnTokenizer")
    load_encoder(tmp_path, dropout=0.0)  # its type is known: transformers' own class is taken
    _change(tmp_path / "config.json", model_type="own")
    for load in (load_tokenizer, partial(load_encoder, dropout=0.0)):
        with pytest.raises(UserError, match="code that comes with a model is never run"):
            load(tmp_path)
    assert not sprung.exists()


def test_a_kernel_that_a_model_names_is_not_fetched(tmp_path: Path) -> None:
    """Of a type that is listed xtl says which attention is taken; of others transformers would."""
    from xtl.model.encoder import load_encoder

    make_tiny_encoder(tmp_path)
    _change(tmp_path / "config.json", attn_implementation="own/kernel")
    assert load_encoder(tmp_path, dropout=0.0).config._attn_implementation == "sdpa"
    _change(tmp_path / "config.json", model_type="mpnet")
    with pytest.raises(UserError, match="attn_implementation: found own/kernel, a kernel of the"):
        load_encoder(tmp_path, dropout=0.0)


@pytest.mark.parametrize("beside", ["", '{"question": "who?"}\n'])
def test_a_data_sets_script_is_not_run(
    tmp_path: Path, sprung: Path, script: str, beside: str
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "set.py").write_text(script)
    if beside:
        (folder / "train.jsonl").write_text(beside)
    with pytest.raises(UserError, match="cannot be read: Dataset scripts are no longer supported"):
        load_rows(folder, "default", "train", scratch=tmp_path / "scratch")
    assert not sprung.exists()


def test_a_data_sets_pickle_is_not_read(tmp_path: Path, sprung: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.pkl").write_bytes(pickle.dumps(Trap(sprung)))
    card = "configs:\n- config_name: default\n  data_files: train.pkl\n"
    (folder / "README.md").write_text(f"---\n{card}---\n")
    with pytest.raises(UserError, match="cannot be read"):
        load_rows(folder, "default", "train", scratch=tmp_path / "scratch")
    assert not sprung.exists()


def test_a_data_sets_card_is_plain_yaml(tmp_path: Path, sprung: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"a": 1}\n')
    tag = (
        f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{sprung}]]"
    )
    (tmp_path / "README.md").write_text(f"---\nconfigs: {tag}\n---\n")
    with pytest.raises(UserError, match="the front matter is no YAML"):
        load_rows(tmp_path, "default", "train")
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["rows.pkl", "rows.npy", "rows.pt"])
def test_own_files_are_text_or_parquet(tmp_path: Path, sprung: Path, name: str) -> None:
    path = tmp_path / name
    np.save(path.open("wb"), np.array([Trap(sprung)]), allow_pickle=True)
    with pytest.raises(UserError, match=r"found the suffix \.\w+, expected \.json"):
        list(read_records(path))
    with pytest.raises(UserError):
        list(read_records(path, "json"))
    assert not sprung.exists()


def test_no_line_of_xtl_reads_a_pickle_or_runs_text() -> None:
    """But for what a rank has just pickled itself. DeepSpeed's resume state is DeepSpeed's to read,
    once `checkpoint` has held it against its marker."""
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in _names(path.read_text(encoding="utf-8")) & FORBIDDEN
    }
    assert found == {"xtl/train/distributed.py: pickle.loads"}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.loads(b'')",
        "import pickle as p\np.loads(b'')",
        "from pickle import loads\nloads(b'')",
        "from pickle import loads as read\nread(b'')",
        "def late(content):\n    from pickle import loads\n    return map(loads, content)",
        "import builtins\nbuiltins.eval('1')",
        "import numpy as np\nnp.load('x')",
        "import torch.nn\ntorch.load('x')",
        "eval('1')",
    ],
)
def test_what_is_forbidden_is_found_by_whatever_name_it_is_called(text: str) -> None:
    assert _names(text) & FORBIDDEN


def test_what_only_has_such_a_name_is_not() -> None:
    assert not _names("import json, re\njson.loads('1')\nre.compile('a')\nself.eval()") & FORBIDDEN


def test_no_line_of_xtl_asks_for_code_or_pickles() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ALWAYS:
                said = ast.unparse(node.value)
                assert said == ALWAYS[node.arg], f"{path}: {node.arg}={said}"


FORBIDDEN = {
    *("builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load", "numpy.load"),
    *("pandas.read_pickle", "joblib.load", "dill.load", "dill.loads", "cloudpickle.load"),
    *("cloudpickle.loads", "yaml.unsafe_load", "yaml.full_load"),
    *("shelve.open", "marshal.load", "marshal.loads", "os.system", "os.popen"),
}
"""By the names of those who made them, whatever a module calls them."""
ALWAYS = {
    "trust_remote_code": "False",
    "use_safetensors": "True",
    "weights_only": "True",
    "allow_pickle": "False",
    "shell": "False",
}
"""What these arguments may be, where they are given."""


def _names(text: str) -> set[str]:
    """All names that a module's text uses, imported ones in full: a call, or what is handed on."""
    tree = ast.parse(text)
    known = _imported(tree)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)]
    return {name for node in nodes if (name := _in_full(node, known))}


def _imported(tree: ast.AST) -> dict[str, str]:
    """What a module calls things that it imports, anywhere in it → their full names."""
    known: dict[str, str] = {name: f"builtins.{name}" for name in vars(builtins)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                known[each.asname or top] = each.name if each.asname else top
        elif isinstance(node, ast.ImportFrom):
            known |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return known


def _in_full(node: ast.expr, known: dict[str, str]) -> str:
    """`pickle.loads` of whatever that is called; "" for what is no name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := _in_full(node.value, known)):
        return f"{owner}.{node.attr}"
    return ""


def _change(path: Path, **keys: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
