from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, XLMRobertaModel

from tests.evaluate.checkpoints import DECODING, DEPTH, make_job, span_head, write_checkpoint
from tests.evaluate.ranks import evaluate_on_ranks
from tests.evaluate.runs import run
from tests.tasks.records import PARAGRAPHS, question
from xtl.errors import UserError
from xtl.evaluate.evaluator import asked_places, degenerate, evaluate, require_classes
from xtl.sweep.shard import HeldOut, Precision
from xtl.tasks.family import Asked, Prediction
from xtl.tasks.qa_metrics import METRICS
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.span_qa import FAMILY

ASKED = Asked("en", DecodingSettings())

Questions = dict[str, list[dict[str, Any]]]


def same(one: Sequence[Prediction], other: Sequence[Prediction], tolerance: float) -> bool:
    return all(
        (a.example_id, a.language, a.text, a.metrics)
        == (b.example_id, b.language, b.text, b.metrics)
        and a.score == pytest.approx(b.score, abs=tolerance)
        for a, b in zip(one, other, strict=True)
    )


def test_every_row_is_answered_in_order_out_of_its_own_context(
    checkpoint: Path, questions: Questions
) -> None:
    outcome = run(make_job(checkpoint, questions))
    rows = [row for language in sorted(questions) for row in questions[language]]
    assert [said.example_id for said in outcome.predictions] == [row["id"] for row in rows]
    assert all(
        said.text and said.text in row["context"]
        for said, row in zip(outcome.predictions, rows, strict=True)
    )


def test_a_languages_metrics_are_the_means_over_its_predictions(
    checkpoint: Path, questions: Questions
) -> None:
    outcome = run(make_job(checkpoint, questions))
    assert list(outcome.metrics) == sorted(questions)
    said = [each.metrics["f1"] for each in outcome.predictions if each.language == "th"]
    assert outcome.metrics["th"]["f1"] == pytest.approx(sum(said) / 3)
    assert set(outcome.metrics["th"]) == {
        "exact_match", "f1", "exact_match_unicode", "f1_unicode",
    }  # fmt: skip


def test_the_answers_are_those_of_the_model_on_each_question_alone(
    checkpoint: Path, questions: Questions, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Against transformers itself, on questions of one window, every span tried."""
    encoder = XLMRobertaModel.from_pretrained(checkpoint, add_pooling_layer=False)
    encoder.train(False)
    head = span_head()
    rows = {language: given[:1] for language, given in questions.items()}
    job = make_job(checkpoint, rows, decoding=DecodingSettings(max_length=128, n_best=100))
    for said in run(job).predictions:
        row = rows[said.language][0]
        coded = tokenizer(
            row["question"], row["context"], return_tensors="pt", return_offsets_mapping=True
        )
        offsets = coded.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            hidden = encoder(**coded).last_hidden_state[0]
        scores = hidden @ head["weight"].T
        best = max(
            float(scores[first, 0] + scores[last, 1])
            for first in range(len(offsets))
            for last in range(first, min(first + 30, len(offsets)))
            if said.text == row["context"][offsets[first][0] : offsets[last][1]].strip()
            and coded.sequence_ids()[first] == coded.sequence_ids()[last] == 1
        )
        assert said.score == pytest.approx(best - float(scores[0].sum()), abs=1e-4)


def test_answers_do_not_depend_on_what_they_are_batched_with(
    checkpoint: Path, questions: Questions
) -> None:
    alone = run(make_job(checkpoint, questions, batch_tokens=1))
    together = run(make_job(checkpoint, questions, batch_tokens=100_000))
    assert same(alone.predictions, together.predictions, tolerance=1e-4)
    assert alone.useful_tokens == together.useful_tokens


def test_a_question_is_answered_from_all_of_its_windows(
    checkpoint: Path, questions: Questions
) -> None:
    """With windows as long as the context each question has one; here it has several."""
    row = question(" ".join(context for context, _ in PARAGRAPHS.values()), "1998", asked="York")
    outcome = run(make_job(checkpoint, {"en": [row]}))
    assert outcome.predictions[0].text in row["context"]
    assert outcome.useful_tokens > 5 * 48


@pytest.mark.slow
def test_two_ranks_answer_as_one_does(
    checkpoint: Path, questions: Questions, tmp_path: Path
) -> None:
    job = make_job(checkpoint, questions, batch_tokens=200)
    alone = run(job)
    first, second = (reading.outcome for reading in evaluate_on_ranks(job, 2, tmp_path))
    assert first is not None
    assert second is not None
    assert first.predictions == alone.predictions
    assert first.metrics == alone.metrics
    assert (second.predictions, second.metrics) == ([], {})
    assert first.useful_tokens == second.useful_tokens == alone.useful_tokens


def test_retrieval_reads_the_layer_that_is_asked_for(
    checkpoint: Path, pairs: Questions, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Cosines against all hidden states of the whole model, one sentence at a time."""
    encoder = XLMRobertaModel.from_pretrained(checkpoint, add_pooling_layer=False)
    encoder.train(False)

    def vector(text: str, layer: int) -> torch.Tensor:
        with torch.inference_mode():
            states = encoder(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        hidden: torch.Tensor = states.hidden_states[layer]
        return hidden[0].mean(dim=0)

    for layer in range(DEPTH + 1):
        decoding = DecodingSettings(layer_fraction=layer / DEPTH)
        job = make_job(checkpoint, {"te": pairs["te"]}, "retrieval", decoding=decoding)
        foreign = [vector(row["source_sentence"].strip(), layer) for row in pairs["te"]]
        for row, answer in zip(pairs["te"], run(job).predictions, strict=True):
            asked = vector(row["target_sentence"].strip(), layer)
            cosines = [float(torch.cosine_similarity(asked, each, dim=0)) for each in foreign]
            assert answer.score == pytest.approx(max(cosines), abs=1e-5)
            found = pairs["te"][cosines.index(max(cosines))]
            assert answer.text == found["source_sentence"].strip()


def test_retrieval_needs_no_head(checkpoint: Path, pairs: Questions) -> None:
    outcome = run(make_job(checkpoint, pairs, "retrieval", head_task=None))
    assert set(outcome.metrics["sw"]) == {"accuracy", "accuracy_from_foreign"}
    assert [said.example_id for said in outcome.predictions][:5] == ["0", "1", "2", "3", "4"]


def test_the_english_side_of_all_languages_is_read_once(
    checkpoint: Path, pairs: Questions, tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = {"sw": pairs["sw"], "te": pairs["te"]}
    texts = {
        row[side].strip()
        for given in rows.values()
        for row in given
        for side in ("source_sentence", "target_sentence")
    }
    expected = sum(len(tokenizer(text)["input_ids"]) for text in texts)
    assert run(make_job(checkpoint, rows, "retrieval")).useful_tokens == expected


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_answers_in_half_precision_are_float32_scores(
    checkpoint: Path, pairs: Questions, precision: Precision
) -> None:
    exact = run(make_job(checkpoint, pairs, "retrieval"))
    rounded = run(make_job(checkpoint, pairs, "retrieval", precision=precision))
    for one, other in zip(exact.predictions, rounded.predictions, strict=True):
        assert other.score == pytest.approx(one.score, abs=0.03)
    assert [each.score for each in exact.predictions] != [
        each.score for each in rounded.predictions
    ]


def test_numbers_that_fp16_has_no_room_for_are_no_answers(
    checkpoint: Path, pairs: Questions, tmp_path: Path
) -> None:
    """Its largest is 65,504; the same model is asked in bf16 all right."""
    wild = tmp_path / "wild"
    shutil.copytree(checkpoint, wild)
    tensors = load_file(wild / "model.safetensors")
    (last,) = [name for name in tensors if name.endswith("2.output.LayerNorm.weight")]
    tensors[last] *= 1e6
    save_file(tensors, wild / "model.safetensors", metadata={"format": "pt"})
    deepest = DECODING.model_copy(update={"layer": DEPTH})
    run(make_job(wild, pairs, "retrieval", precision="bf16", decoding=deepest))
    with pytest.raises(UserError, match="found outputs that are not finite in fp16, expected bf16"):
        run(make_job(wild, pairs, "retrieval", precision="fp16", decoding=deepest))


def test_progress_ends_at_the_total(checkpoint: Path, questions: Questions) -> None:
    steps: list[tuple[int, int]] = []
    job = make_job(checkpoint, questions)
    evaluate(job, lambda done, total: steps.append((done, total)), lambda: False)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert len({total for _, total in steps}) == 1
    assert steps[-1][0] == steps[-1][1]


def test_a_model_that_points_at_the_first_word_is_degenerate(
    questions: Questions, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    even = write_checkpoint(tmp_path, tokenizer, span_head(scale=0.0))
    outcome = run(make_job(even, questions))
    assert outcome.predictions[0].text == PARAGRAPHS["ar"][0].split()[0]
    assert outcome.degenerate


def said(text: str, exact_match: float) -> Prediction:
    return Prediction("1", "en", text, 0.0, dict.fromkeys(METRICS, exact_match))


@pytest.mark.parametrize(("silent", "expected"), [(95, True), (94, False)])
def test_saying_no_answer_nearly_always_is_degenerate_however_often_it_is_right(
    silent: int, expected: bool
) -> None:
    others = [said(str(number), 100) for number in range(100 - silent)]
    assert degenerate(FAMILY, [], [said("", 100)] * silent + others, ASKED) is expected


def test_one_row_alone_is_not_called_constant() -> None:
    assert not degenerate(FAMILY, [], [said("York", 100)], ASKED)


def test_a_model_that_is_right_somewhere_is_not_degenerate(
    checkpoint: Path, questions: Questions
) -> None:
    """The gold answers are moved to where this random model points."""
    pointed = {
        each.example_id: each.text for each in run(make_job(checkpoint, questions)).predictions
    }
    moved = {
        language: [
            question(row["context"], pointed[row["id"]], row["question"], row["id"])
            for row in given
        ]
        for language, given in questions.items()
    }
    outcome = run(make_job(checkpoint, moved))
    assert not outcome.degenerate
    assert outcome.metrics["th"]["exact_match_unicode"] == 100


def test_a_language_without_rows_is_one_clear_line(checkpoint: Path, questions: Questions) -> None:
    job = make_job(checkpoint, questions)
    rows = {language: given for language, given in job.rows.items() if language != "bn"}
    with pytest.raises(UserError, match="own-set: language bn has no rows"):
        run(replace(job, rows=rows))


def test_rows_that_are_not_those_that_were_tokenised_are_one_clear_line(
    checkpoint: Path, questions: Questions
) -> None:
    job = make_job(checkpoint, questions)
    rows = dict(job.rows) | {"bn": questions["bn"][:2]}
    with pytest.raises(UserError, match="bn: found 2 rows, expected the 3 that were tokenised"):
        run(replace(job, rows=rows))


def test_only_what_the_training_has_not_seen_is_asked_where_that_is_wanted(
    checkpoint: Path, questions: Questions
) -> None:
    """Row by row as in an evaluation of all, in the ranking's order."""
    rows = {"en": [row for given in questions.values() for row in given]}
    whole = make_job(checkpoint, rows)
    said = {each.example_id: each for each in run(whole).predictions}
    job = make_job(checkpoint, rows, held_out=HeldOut(after=10, subset="paragraph", subset_seed=1))
    left = job.pools["en"].held_out_after(10, 1, "paragraph")
    assert 10 <= len(left) <= 17
    names = [rows["en"][place]["id"] for place in left]
    answers = run(job).predictions
    assert [each.example_id for each in answers] == names
    assert same(answers, [said[name] for name in names], tolerance=1e-4)
    trained = {rows["en"][place]["context"] for place in job.pools["en"].subset(10, 1, "paragraph")}
    assert not trained & {rows["en"][place]["context"] for place in left}


def test_a_training_that_leaves_nothing_is_one_clear_line(
    checkpoint: Path, questions: Questions
) -> None:
    job = make_job(
        checkpoint,
        {"en": questions["en"]},
        held_out=HeldOut(after=3, subset="paragraph", subset_seed=1),
    )
    with pytest.raises(UserError, match="en: found no row that the training has not seen"):
        run(job)


def test_a_checkpoint_without_the_tasks_head_is_one_clear_line(
    checkpoint: Path, questions: Questions
) -> None:
    with pytest.raises(UserError, match=r"head-tydiqa\.safetensors: found no such file"):
        run(make_job(checkpoint, questions, head_task="tydiqa"))


def test_span_qa_without_a_task_is_one_clear_line(checkpoint: Path, questions: Questions) -> None:
    with pytest.raises(UserError, match="own-set: span-qa needs a trained head"):
        run(make_job(checkpoint, questions, head_task=None))


def test_a_head_with_other_classes_than_the_set_names_is_refused(
    checkpoint: Path, questions: Questions
) -> None:
    spec = make_job(checkpoint, questions).spec.model_copy(
        update={"family": "sentence-pair", "labels": ("yes", "no")}
    )
    require_classes(spec, ("yes", "no"))
    with pytest.raises(UserError, match="found a head for no, yes, expected one for yes, no"):
        require_classes(spec, ("no", "yes"))


def test_fewer_rows_are_at_the_same_places_in_every_language(
    checkpoint: Path, questions: Questions
) -> None:
    whole = make_job(checkpoint, questions)
    job = replace(whole, spec=whole.spec.model_copy(update={"examples": 2}))
    asked = [asked_places(job.spec, pool) for pool in job.pools.values()]
    places = {tuple(found.tolist()) for found in asked if found is not None}
    assert len(places) == 1
    outcome = run(job)
    for language in questions:
        said = [each for each in outcome.predictions if each.language == language]
        assert [each.example_id for each in said] == [
            questions[language][place]["id"] for place in next(iter(places))
        ]
