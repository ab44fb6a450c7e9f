"""Each task's score by hand, and the traps of the references' scripts by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.analysis.xtreme.builders import Folders
from xtl.analysis.xtreme.layout import pairs
from xtl.analysis.xtreme.scoring import Score, score
from xtl.errors import UserError


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def scored(folders: Folders, task: str, language: str) -> Score:
    (pair,) = pairs(folders.predictions, folders.labels, [task], [language])
    return score(pair)


def lines(
    folders: Folders, task: str, language: str, said: Sequence[str], gold: Sequence[str]
) -> dict[str, float]:
    folders.lines(task, language, said, gold)
    return rounded(scored(folders, task, language))


def answers(
    folders: Folders, task: str, language: str, said: Mapping[str, str], gold: Mapping[str, str]
) -> tuple[float, ...]:
    """(EM, F1, EM by Unicode, F1 by Unicode)"""
    folders.answers(task, language, said, {name: [text] for name, text in gold.items()})
    return tuple(rounded(scored(folders, task, language)).values())


def rounded(found: Score) -> dict[str, float]:
    return {name: round(value, 2) for name, value in found.metrics.items()}


def test_xnli_is_the_share_of_right_labels(folders: Folders) -> None:
    gold = ["entailment", "neutral", "contradiction", "entailment"]
    said = ["entailment", "neutral", "neutral", "entailment"]
    assert lines(folders, "xnli", "sw", said, gold) == {"accuracy": 75}


def test_paws_x_labels_are_0_and_1(folders: Folders) -> None:
    assert lines(folders, "pawsx", "ko", ["0", "0"], ["0", "1"]) == {"accuracy": 50}
    with pytest.raises(
        UserError, match=r"test-ko\.tsv:1: found 'paraphrase', expected one of 0, 1"
    ):
        lines(folders, "pawsx", "ko", ["paraphrase", "0"], ["0", "1"])


def test_panx_is_micro_f1_of_names_that_are_whole(folders: Folders) -> None:
    gold = ["B-PER", "I-PER", "O", "B-LOC", "", "O", "B-ORG"]
    said = ["B-PER", "I-PER", "O", "B-ORG", "", "O", "B-ORG"]
    assert lines(folders, "panx", "my", said, gold) == {
        "f1": 66.67, "precision": 66.67, "recall": 66.67, "token_accuracy": 83.33,
    }  # fmt: skip


def test_a_name_of_which_a_word_is_missed_is_wrong(folders: Folders) -> None:
    found = lines(folders, "panx", "th", ["B-PER", "O"], ["B-PER", "I-PER"])
    assert (found["f1"], found["token_accuracy"]) == (0, 50)


def test_udpos_is_chunk_f1_over_bare_tags_and_not_token_accuracy(folders: Folders) -> None:
    # NOUN NOUN is one chunk of gold, so its first half is worth nothing. Gold: DET, NOUN NOUN,
    # VERB; said: DET, NOUN, VERB, VERB; right: DET and the last VERB. F1 = 2 · 2 / (3 + 4).
    gold = ["DET", "NOUN", "NOUN", "", "VERB"]
    said = ["DET", "NOUN", "VERB", "", "VERB"]
    assert lines(folders, "udpos", "yo", said, gold) == {
        "f1": 57.14, "precision": 50, "recall": 66.67, "token_accuracy": 75,
    }  # fmt: skip


def test_udpos_tells_cconj_from_sconj_as_seqeval_0_0_12_does(folders: Folders) -> None:
    """1.2.2 takes the first letter for a prefix: both would be of the type CONJ, and right."""
    assert lines(folders, "udpos", "te", ["SCONJ"], ["CCONJ"])["f1"] == 0


def test_chunks_do_not_go_on_into_the_next_sentence(folders: Folders) -> None:
    one = lines(folders, "udpos", "kk", ["NOUN", "", "NOUN"], ["NOUN", "", "NOUN"])
    folders.lines("udpos", "kk", ["NOUN", "", "VERB"], ["NOUN", "", "NOUN"])
    assert one["f1"] == 100
    assert scored(folders, "udpos", "kk").metrics["f1"] == 50


def test_nothing_but_o_is_f1_0(folders: Folders) -> None:
    assert lines(folders, "panx", "jv", ["O", "O"], ["O", "O"]) == {
        "f1": 0, "precision": 0, "recall": 0, "token_accuracy": 100,
    }  # fmt: skip


def test_bucc_is_f1_over_sets_of_pairs_and_tunes_nothing(folders: Folders) -> None:
    gold = ["de-1\ten-1", "de-2\ten-2", "de-3\ten-3"]
    said = ["de-1\ten-1", "de-1\ten-1", "de-2\ten-9"]
    assert lines(folders, "bucc2018", "de", said, gold) == {
        "f1": 40, "precision": 50, "recall": 33.33,
    }  # fmt: skip


def test_bucc_without_a_mined_pair_is_0(folders: Folders) -> None:
    assert lines(folders, "bucc2018", "zh", [], ["zh-1\ten-1"])["f1"] == 0


def test_tatoeba_compares_indices_as_they_stand_whatever_they_count_from(folders: Folders) -> None:
    assert lines(folders, "tatoeba", "jv", ["0", "2", "1", "3"], ["0", "1", "2", "3"]) == {
        "accuracy": 50
    }


@pytest.mark.parametrize("task", ["xquad", "tydiqa"])
def test_xquad_and_tydiqa_are_scored_by_the_english_normaliser_in_every_language(
    task: str, folders: Folders
) -> None:
    # English articles go in Russian too, and Cyrillic punctuation does not.
    found = answers(
        folders, task, "ru", {"1": "a Волга", "2": "«Волга»"}, {"1": "Волга", "2": "Волга"}
    )
    assert found == (50, 50, 50, 83.33)  # by Unicode: EM 0 and 100, F1 66.67 and 100


def test_the_bengali_danda_costs_the_exact_match_under_squad_s_rules(folders: Folders) -> None:
    assert answers(folders, "tydiqa", "bn", {"1": "ঢাকা।"}, {"1": "ঢাকা"}) == (0, 0, 100, 100)


@pytest.mark.parametrize(
    ("task", "expected"), [("xquad", (0, 0, 100, 100)), ("mlqa", (100, 100, 100, 100))]
)
def test_the_same_hindi_answer_is_worth_more_under_mlqa_s_rules(
    task: str, expected: tuple[float, ...], folders: Folders
) -> None:
    assert answers(folders, task, "hi", {"1": "हिमालय।"}, {"1": "हिमालय"}) == expected


@pytest.mark.parametrize(("task", "expected"), [("xquad", (0, 0, 0, 80)), ("mlqa", (0, 80, 0, 80))])
def test_chinese_is_cut_into_characters_by_mlqa_alone(
    task: str, expected: tuple[float, ...], folders: Folders
) -> None:
    assert answers(folders, task, "zh", {"1": "青海省"}, {"1": "青海"}) == expected


@pytest.mark.parametrize("task", ["xquad", "mlqa"])
def test_both_empty_after_normalisation_is_an_exact_match_with_f1_0(
    task: str, folders: Folders
) -> None:
    assert answers(folders, task, "en", {"1": "the"}, {"1": "a"})[:2] == (100, 0)


def test_a_thai_answer_is_one_word_for_squad_and_characters_for_unicode(folders: Folders) -> None:
    assert answers(folders, "xquad", "th", {"1": "กรุงเก"}, {"1": "กรุง"}) == (0, 0, 0, 80)


def test_telugu_and_swahili_are_scored_word_by_word(folders: Folders) -> None:
    assert answers(folders, "tydiqa", "te", {"1": "నాసిక్."}, {"1": "నాసిక్"})[:2] == (100, 100)
    assert answers(folders, "tydiqa", "sw", {"1": "mto Tana"}, {"1": "Tana"})[:2] == (0, 66.67)


def test_the_best_of_several_gold_answers_counts(folders: Folders) -> None:
    folders.answers("tydiqa", "ar", {"1": "النيل"}, {"1": ["نهر النيل", "النيل"]})
    assert scored(folders, "tydiqa", "ar").metrics["exact_match"] == 100


def test_a_question_without_a_prediction_scores_0_and_is_counted(folders: Folders) -> None:
    folders.answers("xquad", "el", {"1": "Αθήνα", "unasked": "x"}, {"1": ["Αθήνα"], "2": ["Κρήτη"]})
    found = scored(folders, "xquad", "el")
    assert (found.examples, found.unanswered, found.unknown) == (2, 1, 1)
    assert rounded(found)["exact_match"] == 50


@pytest.mark.parametrize(
    ("task", "said", "gold", "line"),
    [
        ("tatoeba", ["1"], ["1", "2"], "PATH: found 1 line, expected 2 as in the labels"),
        ("panx", ["O"], ["O", "", "O"], "PATH: found 1 sentence, expected 2 as in the labels"),
        ("panx", ["O", "", "O"], ["O", "", "O", "O"],
         "PATH:3: found 1 tag in the sentence that begins here, expected 2 as in the labels"),
    ],
)  # fmt: skip
def test_predictions_that_are_not_one_for_each_label_are_refused(
    task: str, said: list[str], gold: list[str], line: str, folders: Folders
) -> None:
    folders.lines(task, "sw", said, gold)
    with pytest.raises(UserError) as caught:
        scored(folders, task, "sw")
    path = folders.predictions / task / "test-sw.tsv"
    assert str(caught.value) == line.replace("PATH", str(path))


@pytest.mark.parametrize("said", [{}, {"q1": "Αθήνα"}, {"1 ": "Αθήνα"}])
def test_answers_to_none_of_the_questions_are_refused(
    said: dict[str, str], folders: Folders
) -> None:
    folders.answers("xquad", "el", said, {"1": ["Αθήνα"]})
    line = r"test-el\.json: found no id of the labels', expected answers .*, such as '1'$"
    with pytest.raises(UserError, match=line):
        scored(folders, "xquad", "el")


@pytest.mark.parametrize("said", [["en-1\tde-1"], ["DE-1\ten-01", "2\t1"]])
def test_pairs_of_other_sentences_than_the_labels_are_refused(
    said: list[str], folders: Folders
) -> None:
    folders.lines("bucc2018", "de", said, ["de-2\ten-2", "de-1\ten-1"])
    with pytest.raises(UserError, match=r"test-de\.tsv: found no id .* such as de-1 en-1 "):
        scored(folders, "bucc2018", "de")


def test_one_sentence_of_the_labels_is_enough_for_pairs_that_are_all_wrong(
    folders: Folders,
) -> None:
    found = lines(folders, "bucc2018", "de", ["de-7\ten-1"], ["de-1\ten-1"])
    assert found == {"f1": 0, "precision": 0, "recall": 0}


@pytest.mark.parametrize("task", ["pawsx", "panx", "bucc2018"])
def test_labels_that_are_an_empty_file_are_refused(task: str, folders: Folders) -> None:
    folders.lines(task, "de", [], [])
    with pytest.raises(UserError, match="found an empty file, expected labels"):
        scored(folders, task, "de")
