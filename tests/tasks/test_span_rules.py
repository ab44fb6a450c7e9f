"""By whose rules span QA is scored, and SQuAD v2.0's best threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tasks.records import question
from xtl.tasks.family import Asked, Feature, Prediction, Row
from xtl.tasks.qa_metrics import METRICS
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.span_qa import ANSWERED, BEST_THRESHOLD, FAMILY, SILENT, rule_of

SQUAD = DecodingSettings(max_length=16, doc_stride=8)
MLQA = DecodingSettings(max_length=16, doc_stride=8, scoring="mlqa")
NONE = question("the river Ouse", "", name="none")


def predict(rows: Sequence[Row], nulls: list[float], asked: Asked) -> list[Prediction]:
    """Each row's whole context is the best span, of score 10, against its null score."""
    features, outputs = [], []
    for index, row in enumerate(rows):
        features.append(Feature(index, (0, 5), offsets=((0, 0), (0, len(row["context"])))))
        null = nulls[index] / 2
        scores: NDArray[np.float32] = np.array([[null, null], [5, 5]], dtype=np.float32)
        outputs.append(scores)
    return FAMILY.predict(rows, features, outputs, asked)


def test_the_rule_is_squad_1_1_s_or_the_set_s_own() -> None:
    rows = [question("ঢাকা", "ঢাকা")]
    assert rule_of(rows, Asked("bn", SQUAD)) == "squad-v1.1"
    assert rule_of(rows, Asked("hi", MLQA)) == "mlqa"


@pytest.mark.parametrize("decoding", [SQUAD, MLQA])
def test_only_squad_2_can_score_a_set_with_unanswerable_questions(
    decoding: DecodingSettings,
) -> None:
    assert rule_of([question("York", "York"), NONE], Asked("en", decoding)) == "squad-v2.0"


@pytest.mark.parametrize(("decoding", "f1"), [(SQUAD, 0), (MLQA, 80)])
def test_answers_are_scored_by_the_rules_that_the_set_names(
    decoding: DecodingSettings, f1: float
) -> None:
    row = question("青海省", "青海")
    (said,) = predict([row], [0], Asked("zh", decoding))
    assert said.metrics["f1"] == pytest.approx(f1)
    assert said.metrics["f1_unicode"] == pytest.approx(80)


def test_mlqa_s_rules_never_predict_no_answer() -> None:
    (said,) = predict([question("Rhein", "Rhein")], [99], Asked("de", MLQA))
    assert said.text == "Rhein"


def test_the_headline_is_at_threshold_0_and_the_tuned_f1_stands_beside_it() -> None:
    rows = [question("York", "York", name="1"), question("Ouse", "Ouse", name="2"), NONE]
    said = predict(rows, [8, 11, 13], Asked("en", SQUAD))  # margins 2, -1, -3
    assert [each.text for each in said] == ["York", "", ""]
    found = FAMILY.summarise(said)
    assert found["f1"] == pytest.approx(200 / 3)
    assert found[BEST_THRESHOLD] == 100  # from -1 on: the second is answered after all


def test_a_set_whose_questions_all_have_answers_has_no_best_threshold() -> None:
    said = predict([question("York", "York")], [11], Asked("en", SQUAD))
    assert set(FAMILY.summarise(said)) == set(METRICS)


def test_every_prediction_has_the_same_metrics_whatever_the_rule() -> None:
    """Languages of one set share a file, and only some may have unanswerable questions."""
    (plain,) = predict([question("York", "York")], [0], Asked("en", SQUAD))
    mixed = predict([question("York", "York"), NONE], [0, 0], Asked("en", SQUAD))
    assert {tuple(each.metrics) for each in (plain, *mixed)} == {(*METRICS, ANSWERED, SILENT)}


def test_scoring_again_keeps_what_the_text_no_longer_tells() -> None:
    rows = [question("York", "York", name="1"), NONE]
    asked = Asked("en", SQUAD)
    said = predict(rows, [11, 0], asked)
    assert said[0].text == ""
    assert FAMILY.rescore(rows, said, asked) == said
    assert FAMILY.summarise(FAMILY.rescore(rows, said, asked)) == FAMILY.summarise(said)


def test_predictions_without_those_scores_are_summarised_without_the_best_threshold() -> None:
    rows, asked = [question("York", "York", name="1"), NONE], Asked("en", SQUAD)
    bare = [Prediction("1", "en", "York", 2.0, {}), Prediction("none", "en", "", -1.0, {})]
    assert FAMILY.summarise(FAMILY.rescore(rows, bare, asked)) == dict.fromkeys(METRICS, 100)
