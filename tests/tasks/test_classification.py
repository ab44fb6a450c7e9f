from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tasks.choosing import HIDDEN, tiny_classifier
from xtl.tasks.classification import ClassificationHead, is_chance, log_probabilities, scores_of
from xtl.tasks.family import Prediction


def answers(right: int, wrong: int) -> list[Prediction]:
    said = [100.0] * right + [0.0] * wrong
    return [Prediction(str(k), "en", "a", 0.0, {"accuracy": hit}) for k, hit in enumerate(said)]


def test_the_head_takes_the_library_s_weights_by_their_names_and_gives_its_scores() -> None:
    reference = tiny_classifier(classes=3)
    head = ClassificationHead(HIDDEN, 3, dropout=0.0)
    head.load_state_dict(reference.classifier.state_dict())
    hidden = torch.randn(4, 7, HIDDEN)
    with torch.no_grad():
        assert torch.equal(head(hidden), reference.classifier(hidden))


def test_only_the_first_token_is_read() -> None:
    head = ClassificationHead(HIDDEN, 2, dropout=0.0)
    hidden = torch.randn(1, 5, HIDDEN)
    other = torch.cat([hidden[:, :1], torch.randn(1, 9, HIDDEN)], dim=1)
    assert torch.equal(head(hidden), head(other))


def test_the_head_drops_out_in_training_alone() -> None:
    torch.manual_seed(0)
    head, hidden = ClassificationHead(HIDDEN, 2, dropout=0.5), torch.randn(8, 3, HIDDEN)
    assert not torch.equal(head(hidden), head(hidden))
    head.train(False)
    assert torch.equal(head(hidden), head(hidden))


def test_a_new_head_begins_as_the_library_s_does() -> None:
    torch.manual_seed(0)
    head = ClassificationHead(512, 3, dropout=0.1)
    assert head.dense.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not head.dense.bias.any()
    assert not head.out_proj.bias.any()


def test_scores_are_float32_whatever_the_encoder_computes_in() -> None:
    head = ClassificationHead(HIDDEN, 2, dropout=0.0)
    assert scores_of(head, torch.randn(2, 3, HIDDEN).bfloat16()).dtype == torch.float32
    with pytest.raises(ValueError, match="none was given"):
        scores_of(None, torch.randn(2, 3, HIDDEN))


def test_log_probabilities_are_those_of_the_softmax_and_never_overflow() -> None:
    odds = np.log(np.array([1, 2, 5], dtype=np.float32))
    assert np.exp(log_probabilities(odds)) == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert log_probabilities(np.array([1e4, 0], dtype=np.float32)).tolist() == [0, -1e4]


def test_guessing_is_told_from_knowing_two_deviations_above_its_mean() -> None:
    """Of 100 rows at 1/4: mean 25, deviation √(100 · 3/16) = 4.33, so up to 33 hits."""
    assert is_chance(answers(33, 67), [0.25] * 100)
    assert not is_chance(answers(34, 66), [0.25] * 100)


def test_rows_that_are_guessed_unequally_well_add_up() -> None:
    """50 at 1/2 and 50 at 1/5: mean 35, deviation √(50/4 + 50 · 4/25) = 4.53, so up to 44 hits."""
    chances = [0.5] * 50 + [0.2] * 50
    assert is_chance(answers(44, 56), chances)
    assert not is_chance(answers(45, 55), chances)
