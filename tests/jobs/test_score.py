"""`xtl score` on a folder of XTREME's layout: all nine tasks, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.score import score
from tests.analysis.xtreme.builders import Folders
from tests.jobs.test_input import xtl
from xtl.analysis.xtreme.averages import SCORED_BY
from xtl.errors import UserError
from xtl.tasks.catalogue import EVALUATION_SETS

LINES: dict[str, tuple[list[str], list[str]]] = {
    "xnli": (
        ["entailment", "neutral", "neutral", "entailment"],
        ["entailment", "neutral", "contradiction", "entailment"],
    ),
    "pawsx": (["0", "0"], ["0", "1"]),
    "udpos": (["DET", "NOUN", "VERB", "", "VERB"], ["DET", "NOUN", "NOUN", "", "VERB"]),
    "panx": (
        ["B-PER", "I-PER", "O", "B-ORG", "", "O", "B-ORG"],
        ["B-PER", "I-PER", "O", "B-LOC", "", "O", "B-ORG"],
    ),
    "bucc2018": (["x-1\ten-1", "x-2\ten-9"], ["x-1\ten-1", "x-2\ten-2", "x-3\ten-3"]),
    "tatoeba": (["0", "1", "3", "2"], ["0", "1", "2", "2"]),
}
"""Folder → (predictions, labels), in every language alike."""

TEXTS = {
    "ar": "النيل",
    "bn": "ঢাকা",
    "de": "Rhein",
    "el": "Αθήνα",
    "en": "Ouse",
    "es": "Ebro",
    "fi": "Kemi",
    "hi": "हिमालय",
    "id": "Musi",
    "ko": "한강",
    "ru": "Волга",
    "sw": "Tana",
    "te": "నాసిక్",
    "th": "กรุงเทพ",
    "tr": "Fırat",  # noqa: RUF001
    "vi": "Huế",
    "zh": "青海",
}
"""An answer in each language of the question sets."""

SCORES = {
    "xnli": 75.0,
    "paws-x": 50.0,
    "udpos": 400 / 7,  # 2 · 2 right of 3 and 4 chunks
    "panx": 200 / 3,
    "xquad": 50.0,
    "mlqa": 50.0,
    "tydiqa": 50.0,
    "bucc2018": 40.0,
    "tatoeba": 75.0,
}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Every language of every task. Of two questions the first is answered, in full."""
    made = Folders(tmp_path)
    for task in SCORED_BY:
        folder = task.replace("-", "")
        for language in EVALUATION_SETS[task].languages:
            if folder in LINES:
                made.lines(folder, language, *LINES[folder])
            else:
                text = TEXTS[language]
                gold = {"1": ["?", text], "2": [f"1998 {text}"]}
                made.answers(folder, language, {"1": text, "2": "1999"}, gold)
    return made


def as_json(folders: Folders, capsys: pytest.CaptureFixture[str], **options: Any) -> Any:
    score(folders.predictions, folders.labels, json=True, **options)
    return json.loads(capsys.readouterr().out)


def as_text(folders: Folders, capsys: pytest.CaptureFixture[str], **options: Any) -> list[str]:
    score(folders.predictions, folders.labels, **options)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_all_nine_tasks_are_scored_and_averaged(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(folders, capsys)
    assert {task: own["score"] for task, own in found["tasks"].items()} == pytest.approx(SCORES)
    assert found["groups"] == pytest.approx(
        {
            "classification": 62.5,
            "structured prediction": (400 / 7 + 200 / 3) / 2,
            "question answering": 50,
            "retrieval": 57.5,
        }
    )
    assert found["overall"] == pytest.approx(sum(SCORES.values()) / 9)
    assert (found["missing"], found["absent"]) == ({}, [])


def test_every_language_of_a_task_has_its_metrics_and_its_count(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    languages = as_json(folders, capsys, task=["tydiqa"])["tasks"]["tydiqa"]["languages"]
    assert set(languages) == set(EVALUATION_SETS["tydiqa"].languages)
    half = {"exact_match": 50, "f1": 50, "exact_match_unicode": 50, "f1_unicode": 50}
    for found in languages.values():
        assert found == {"metrics": half, "examples": 2, "unanswered": 0, "unknown": 0}


def test_scores_stand_with_and_without_english(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.lines("xnli", "en", ["neutral"], ["neutral"])
    folders.lines("xnli", "sw", ["neutral"], ["entailment"])
    lines = as_text(folders, capsys, task=["xnli"], language=["en", "sw"])
    assert lines[:6] == [
        "xnli",
        "language    examples  accuracy",
        "en                 1    100.00",
        "sw                 1      0.00",
        "mean                     50.00",
        "without en                0.00",
    ]


def test_the_averages_say_over_how_many_languages_they_are(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders.predictions / "panx" / "test-yo.tsv").unlink()
    (folders.labels / "tatoeba" / "test-sw.tsv").unlink()
    lines = as_text(folders, capsys)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows["panx"] == ["66.67", "66.67", "39", "of", "40"]
    assert rows["tatoeba"] == ["75.00", "75.00", "35", "of", "36"]
    assert "panx: left out for want of predictions: yo." in lines
    assert "tatoeba: left out for want of labels: sw." in lines
    assert rows["retrieval"] == ["–"]
    assert rows["classification"] == ["62.50"]
    assert rows["all"] == ["nine", "–"]


def test_a_task_that_is_missing_is_said_and_left_out(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folders.predictions / "mlqa").iterdir():
        path.unlink()
    lines = as_text(folders, capsys)
    assert "mlqa" not in lines
    assert "mlqa: left out for want of predictions: all 7 languages." in lines
    assert "xquad" in lines


def test_questions_without_a_prediction_and_predictions_without_a_question_are_said(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folders.predictions / "tydiqa" / "test-te.json"
    path.write_text('{"1": "నాసిక్"}', encoding="utf-8")
    path = folders.predictions / "tydiqa" / "test-fi.json"
    path.write_text('{"1": "Kemi", "2": "1998", "x": "", "y": ""}', encoding="utf-8")
    lines = as_text(folders, capsys, task=["tydiqa"], language=["te", "fi"])
    assert (
        "tydiqa, fi: 2 predictions are for ids that the labels do not have, and left out." in lines
    )
    assert "tydiqa, te: 1 of 2 questions has no prediction and scores 0." in lines


def test_the_tables_fit_80_columns(
    folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = as_text(folders, capsys)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("name", ["paws-x", "pawsx"])
def test_a_task_can_be_named_as_xtreme_s_folder_is(
    name: str, folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(as_json(folders, capsys, task=[name])["tasks"]) == ["paws-x"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"task": ["squad"]}, "--task: found 'squad', expected one of xnli, paws-x, udpos, "),
        ({"language": ["xx"]}, "--language: found 'xx', expected one of af, ar, bg, "),
        ({"task": ["mlqa"], "language": ["sw"]}, "--language: found 'sw', expected one of ar, "),
    ],
)
def test_what_xtreme_does_not_have_cannot_be_chosen(
    options: dict[str, list[str]], line: str, folders: Folders
) -> None:
    with pytest.raises(UserError) as caught:
        score(folders.predictions, folders.labels, **options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(line)


def test_folders_of_another_layout_are_refused(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no task of which both have a language"):
        score(tmp_path, folders.labels)
    with pytest.raises(UserError, match=r"--labels: found no folder .*/nowhere"):
        score(folders.predictions, tmp_path / "nowhere")


@pytest.mark.slow
def test_a_malformed_line_is_one_line_and_status_2(folders: Folders) -> None:
    path = folders.predictions / "xnli" / "test-th.tsv"
    path.write_text("entailment\nneutrall\n", encoding="utf-8")
    words = ["--predictions", str(folders.predictions), "--labels", str(folders.labels)]
    done = xtl("score", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"xtl: {path}:2: found 'neutrall', expected one of entailment, neutral, contradiction\n"
    )


@pytest.mark.slow
def test_the_verb_needs_both_folders(folders: Folders) -> None:
    done = xtl("score", "--predictions", str(folders.predictions))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "xtl: missing option '--labels' (`xtl score --help` tells more)\n"
