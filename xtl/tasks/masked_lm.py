"""The masked-LM family: multilingual pre-training, continued beside an intermediate task.

Features are text_maker's, masks masking's. Head and loss are those of transformers'
XLMRobertaForMaskedLM, but only masked places reach the head: with 250,002 pieces in the vocabulary
a token's scores weigh a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from xtl.errors import UserError
from xtl.tasks.family import Feature, HeadSettings, Vocabulary
from xtl.tasks.lm_weights import layer_norm_eps, lm_head_weights
from xtl.tasks.masking import masked

_INITIAL_STD = 0.02  # XLM-R's initializer_range


class _TiedLinear(nn.Linear):
    """Its parameters are others'; kept in a state, even frozen ones would be in checkpoints."""

    def _save_to_state_dict(self, *arguments: object) -> None:
        return

    def _load_from_state_dict(self, *arguments: object) -> None:
        return


class LMHead(nn.Module):
    """XLM-R's LM head, its parameters named as transformers names them.

    `decoder.weight` is the encoder's word embeddings, the same Parameter: a model lists it once,
    as the encoder's, and trains or freezes it as such. It is no part of the head's `state_dict`.
    """

    def __init__(self, embeddings: nn.Embedding, eps: float) -> None:
        super().__init__()
        size, hidden = embeddings.weight.shape
        self.dense = nn.Linear(hidden, hidden)
        self.layer_norm = nn.LayerNorm(hidden, eps=eps)
        self.bias = nn.Parameter(torch.zeros(size))
        # Without storage of its own: XLM-R Large's would take a gigabyte, to be thrown away.
        self.decoder = _TiedLinear(hidden, size, device="meta")
        self.decoder.weight, self.decoder.bias = embeddings.weight, self.bias
        nn.init.normal_(self.dense.weight, std=_INITIAL_STD)
        nn.init.zeros_(self.dense.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores of every piece: (…, hidden_size) → (…, pieces)."""
        scores: Tensor = self.decoder(self.layer_norm(functional.gelu(self.dense(hidden))))
        return scores


class MaskedLM:
    """A TrainableFamily; there is nothing to evaluate."""

    together = False

    def head(self, settings: HeadSettings) -> nn.Module:
        """The public model's own LM head where its files have one; else a new one. UserError where
        the embeddings, which guess the pieces, are of another width than the layers."""
        if settings.embeddings is None:
            raise ValueError("masked LM guesses pieces by their embeddings, and none were given")
        width = settings.embeddings.embedding_dim
        if width != settings.hidden_size:
            raise UserError(
                f"masked_text: found {settings.start or 'an encoder'} with word embeddings of "
                f"width {width} and layers of {settings.hidden_size}, expected an encoder whose "
                "embeddings are as wide as its layers, as masked LM guesses pieces by them"
            )
        head = LMHead(settings.embeddings, layer_norm_eps(settings.start))
        weights = lm_head_weights(settings.start) if settings.start else {}
        if weights:
            head.load_state_dict(weights)
        return head

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum over masked places of the cross-entropy, in float32; places guessed right."""
        chosen = labels >= 0
        scores, wanted = head(hidden[chosen]).float(), labels[chosen]
        loss = functional.cross_entropy(scores, wanted, reduction="sum")
        return loss, (scores.argmax(dim=-1) == wanted).sum()

    def drawn(
        self, features: Sequence[Feature], vocabulary: Callable[[], Vocabulary], seed: Sequence[int]
    ) -> Sequence[Feature]:
        """BERT's masks, new for each seed."""
        words = vocabulary()
        return [masked(feature, words, seed) for feature in features]

    def targets(self, feature: Feature) -> int:
        """One a masked place."""
        return sum(label >= 0 for label in feature.labels)


FAMILY = MaskedLM()
