"""Folders of predictions and labels in XTREME's layout, written line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_lines(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_json(path: Path, value: Any) -> Path:
    return write_lines(path, json.dumps(value, ensure_ascii=False))


def squad(answers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """SQuAD's layout of questions, by id, with the texts of their answers."""
    questions = [
        {
            "id": name,
            "question": "?",
            "answers": [{"text": text, "answer_start": 0} for text in texts],
        }
        for name, texts in answers.items()
    ]
    return {
        "version": "1.1",
        "data": [{"title": "", "paragraphs": [{"context": "", "qas": questions}]}],
    }


class Folders:
    """`predictions` and `labels` under one root."""

    def __init__(self, root: Path) -> None:
        self.predictions = root / "predictions"
        self.labels = root / "labels"

    def lines(self, folder: str, language: str, said: Sequence[str], gold: Sequence[str]) -> None:
        name = Path(folder) / f"test-{language}.tsv"
        write_lines(self.predictions / name, *said)
        write_lines(self.labels / name, *gold)

    def answers(
        self, folder: str, language: str, said: Mapping[str, str], gold: Mapping[str, Sequence[str]]
    ) -> None:
        name = Path(folder) / f"test-{language}.json"
        write_json(self.predictions / name, dict(said))
        write_json(self.labels / name, squad(gold))
