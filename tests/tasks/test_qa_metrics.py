from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.tasks.normalisers import normalise_squad, normalise_unicode, unicode_tokens
from xtl.tasks.qa_metrics import Rule, best_threshold, qa_metrics, token_f1

RULES: tuple[Rule, ...] = ("squad-v1.1", "squad-v2.0")


def scores(
    prediction: str, *golds: str, language: str = "en", rule: Rule = "squad-v1.1"
) -> tuple[float, ...]:
    """(exact match, F1, exact match, F1), the latter two by Unicode, rounded to 0.1."""
    metrics = qa_metrics(prediction, golds, language, rule)
    return tuple(round(value, 1) for value in metrics.values())


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("The Normans", "Normans"),
        ("an  apple,", "Apple"),
        ("U.S.A.", "usa"),
        ("a the an", ""),
        ("$5", "5"),
    ],
)
def test_the_official_normaliser_drops_case_ascii_punctuation_and_english_articles(
    said: str, gold: str
) -> None:
    assert normalise_squad(said) == normalise_squad(gold)


def test_articles_inside_words_stay() -> None:
    assert normalise_squad("another theory") == "another theory"


@pytest.mark.parametrize(
    ("language", "said", "gold", "expected"),
    [
        # Latin: German articles stay, in both scores.
        ("de", "der Rhein", "Rhein", (0, 66.7, 0, 66.7)),
        ("en", "the Rhine", "Rhine", (100, 100, 100, 100)),
        ("sw", "mto Tana", "Tana", (0, 66.7, 0, 66.7)),
        # Turkish İ folds to i with a dot above, in prediction and gold alike.
        ("tr", "İstanbul", "istanbul", (0, 0, 0, 0)),
        # German ß equals ss by case folding alone.
        ("de", "STRASSE", "Straße", (0, 0, 100, 100)),
        # French guillemets are no ASCII.
        ("fr", "« Lyon »", "Lyon", (0, 50.0, 100, 100)),
        ("es", "¿Madrid?", "Madrid", (0, 0, 100, 100)),
        # Cyrillic: a dash is a token of its own for SQuAD, nothing for Unicode.
        ("ru", "Волга — река", "Волга река", (0, 80.0, 100, 100)),
        ("ru", "Каспийское море", "каспийское море", (100, 100, 100, 100)),
        # Arabic question mark and comma.
        ("ar", "النيل؟", "النيل", (0, 0, 100, 100)),
        ("ar", "السودان، ومصر", "السودان ومصر", (0, 50.0, 100, 100)),
        # Devanagari and Bengali danda.
        ("hi", "हिमालय।", "हिमालय", (0, 0, 100, 100)),
        ("bn", "ঢাকা।", "ঢাকা", (0, 0, 100, 100)),
        ("bn", "ঢাকা", "ঢাকা", (100, 100, 100, 100)),
        # Telugu: an ASCII full stop is SQuAD's too; half of the words is half of the F1.
        ("te", "నాసిక్.", "నాసిక్", (100, 100, 100, 100)),
        ("te", "నాసిక్ నగరం దగ్గర", "నాసిక్", (0, 50.0, 0, 50.0)),
        # Thai: one word for SQuAD, six characters for Unicode, four of them right: 2·4 / (4 + 6).
        ("th", "กรุงเก", "กรุง", (0, 0, 0, 80.0)),
        # Chinese: characters each, so 青海省 against 青海 shares two: 2·2 / (3 + 2).
        ("zh", "青海省", "青海", (0, 0, 0, 80.0)),
        ("zh", "青海。", "青海", (0, 0, 100, 100)),
        # Full-width digits and letters fold to ASCII.
        ("ja", "１９９８年", "1998年", (0, 0, 100, 100)),
        # A number is one token, so a wrong year shares only 年.
        ("zh", "1997年", "1998年", (0, 0, 0, 50.0)),
    ],
)
def test_an_answer_is_worth_what_is_worked_out_by_hand(
    language: str, said: str, gold: str, expected: tuple[float, ...]
) -> None:
    assert scores(said, gold, language=language) == expected


def test_f1_is_the_harmonic_mean_over_bags_of_tokens() -> None:
    # Shared: 'b' once. Precision 1/3, recall 1/2, so 2 · (1/3 · 1/2) / (1/3 + 1/2) = 0.4.
    assert token_f1(["b", "c"], ["b", "b", "d"]) == pytest.approx(0.4)


def test_the_best_gold_answer_counts_for_each_score_by_itself() -> None:
    assert scores("Ouse river", "Ouse", "river Ouse") == (0, 100, 0, 100)


def test_both_empty_after_normalisation_is_exact_but_has_no_f1_by_squad_1_1() -> None:
    assert scores("the", "a", rule="squad-v1.1")[:2] == (100, 0)


def test_both_empty_after_normalisation_is_exact_but_has_no_f1_by_mlqa() -> None:
    assert scores("der", "die", language="de", rule="mlqa")[:2] == (100, 0)


def test_gold_answers_that_normalise_to_nothing_do_not_count_by_squad_2() -> None:
    assert scores("the", "a", rule="squad-v2.0")[:2] == (100, 100)
    assert scores("", "a", "York", rule="squad-v2.0")[:2] == (0, 0)
    assert scores("York", "a", "York", rule="squad-v2.0")[:2] == (100, 100)


def test_an_unanswerable_question_is_right_only_with_the_empty_answer() -> None:
    assert scores("", rule="squad-v2.0") == (100, 100, 100, 100)
    assert scores("York", rule="squad-v2.0") == (0, 0, 0, 0)
    assert scores("", "York", rule="squad-v2.0") == (0, 0, 0, 0)


@pytest.mark.parametrize("rule", ["squad-v1.1", "mlqa"])
def test_an_unanswerable_question_is_scored_by_squad_2_alone(rule: Rule) -> None:
    with pytest.raises(ValueError, match="without gold answers"):
        qa_metrics("York", [], "en", rule)


def test_an_answer_of_bengali_punctuation_alone_is_empty_for_unicode_only() -> None:
    assert scores("।", language="bn", rule="squad-v2.0") == (0, 0, 100, 100)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("new york", ["new", "york"]),
        ("กรุง 12", ["ก", "ร", "ุ", "ง", "12"]),
        ("東京tower", ["東", "京", "tower"]),
        ("ສະບາຍ", list("ສະບາຍ")),
        ("မြန်", ["မ", "ြ", "န", "်"]),
        ("ខ្មែរ", ["ខ", "្", "ម", "ែ", "រ"]),
        ("서울 시", ["서울", "시"]),
    ],
)
def test_characters_are_tokens_in_scripts_without_spaces_and_words_elsewhere(
    text: str, tokens: list[str]
) -> None:
    assert unicode_tokens(text) == tokens


words = st.lists(st.sampled_from(["ঢাকা", "the", "a", "York", "กรุง", "青海", ".", "।"]), max_size=5)
texts = st.one_of(st.text(max_size=20), words.map(" ".join))


@given(texts, texts)
def test_f1_is_symmetric(one: str, other: str) -> None:
    for first, second in ((one.split(), other.split()), (list(one), list(other))):
        assert token_f1(first, second) == token_f1(second, first)


@given(texts, st.lists(texts, min_size=1, max_size=3), st.sampled_from(["en", "bn", "th", "zh"]))
def test_scores_are_percentages_and_an_exact_match_has_full_f1(
    said: str, golds: list[str], language: str
) -> None:
    for rule in RULES:
        exact, f1, exact_unicode, f1_unicode = qa_metrics(said, golds, language, rule).values()
        assert exact in (0, 100)
        assert exact_unicode in (0, 100)
        assert 0 <= f1 <= 100
        assert 0 <= f1_unicode <= 100
        assert exact_unicode <= f1_unicode
        assert exact <= f1 or (rule == "squad-v1.1" and not normalise_squad(said))


@given(texts, st.sampled_from(["en", "bn", "th", "zh"]))
def test_an_answer_equals_itself(text: str, language: str) -> None:
    exact, _, exact_unicode, f1_unicode = qa_metrics(text, [text], language, "squad-v2.0").values()
    assert (exact, exact_unicode, f1_unicode) == (100, 100, 100)


@given(texts, texts)
def test_more_gold_answers_never_lower_a_score(said: str, gold: str) -> None:
    fewer = qa_metrics(said, ["York"], "en", "squad-v2.0")
    more = qa_metrics(said, ["York", gold], "en", "squad-v2.0")
    assert all(fewer[name] <= more[name] for name in fewer)


@given(texts)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_unicode(text, "bn")
    assert normalise_unicode(once, "bn") == once


# -- the best threshold of SQuAD v2.0 ---------------------------------------------------------
def test_the_best_threshold_answers_as_long_as_that_pays() -> None:
    # By falling margin: +100, +60, -100 (unanswerable), +30; silence alone scores 100 of 400.
    margins, answered, silent = [5.0, 3.0, 1.0, -2.0], [100, 60, 0, 30], [0, 0, 100, 0]
    assert best_threshold(margins, answered, silent) == ((100 + 100 + 60) / 4, 3.0)


def test_the_best_threshold_may_lie_below_0_and_at_the_last_question() -> None:
    assert best_threshold([1.0, -2.0], [100, 80], [0, 0]) == (90, -2.0)


def test_where_silence_is_best_nothing_is_answered() -> None:
    assert best_threshold([4.0, 2.0], [0, 0], [100, 100]) == (100, float("inf"))


def test_no_threshold_parts_questions_of_equal_margin() -> None:
    assert best_threshold([1.0, 1.0], [100, 0], [0, 100]) == (50, float("inf"))


margins = st.floats(-20, 20, allow_nan=False) | st.just(float("-inf"))
questions = st.tuples(margins, st.integers(0, 100), st.sampled_from([0, 100]))


@given(st.lists(questions, min_size=1, max_size=12))
def test_the_best_score_is_reached_by_its_threshold_and_by_no_other_exceeded(
    given_: list[tuple[float, int, int]],
) -> None:
    best, threshold = best_threshold(*zip(*given_, strict=True))

    def mean(cut: float) -> float:
        return sum(yes if margin >= cut else no for margin, yes, no in given_) / len(given_)

    assert mean(threshold) == pytest.approx(best)
    assert all(mean(cut) <= best + 1e-9 for cut in (0.0, *(margin for margin, _, _ in given_)))
