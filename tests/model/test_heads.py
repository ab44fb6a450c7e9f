"""Heads in files of their own, which say what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xtl.errors import UserError
from xtl.model.heads import Head, read_head, require_labels, write_head

NLI = ("entailment", "neutral", "contradiction")
HEAD = Head("anli+", "sentence-pair", NLI, {"weight": torch.eye(3), "bias": torch.zeros(3)})


def test_a_head_comes_back_with_its_family_and_its_classes(tmp_path: Path) -> None:
    write_head(tmp_path, HEAD)
    found = read_head(tmp_path, "anli+", "sentence-pair")
    assert (found.family, found.labels) == ("sentence-pair", NLI)
    assert torch.equal(found.tensors["weight"], torch.eye(3))


def test_the_same_head_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    contents = set()
    for _ in range(8):
        write_head(tmp_path, HEAD)
        contents.add((tmp_path / "head-anli+.safetensors").read_bytes())
    assert len(contents) == 1


def test_classes_are_told_in_any_script(tmp_path: Path) -> None:
    write_head(tmp_path, Head("t", "tagging", ("คำ", "ক"), {"bias": torch.zeros(2)}))
    assert read_head(tmp_path, "t", "tagging").labels == ("คำ", "ক")


def test_a_folder_without_the_head_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"head-mnli\.safetensors: found no such file, expected"):
        read_head(tmp_path, "mnli", "sentence-pair")


def test_a_head_of_another_family_is_refused(tmp_path: Path) -> None:
    write_head(tmp_path, HEAD)
    with pytest.raises(UserError, match="found a head of sentence-pair, expected one of tagging"):
        read_head(tmp_path, "anli+", "tagging")


def test_a_head_with_other_classes_is_refused() -> None:
    with pytest.raises(UserError, match=r"mnli: found a head for entailment.*, expected yes, no"):
        require_labels(HEAD, ("yes", "no"), "mnli")
