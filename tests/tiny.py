"""A tiny XLM-R with random weights and a tokenizer of its own, for tests that run the real code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LAYERS, HIDDEN, VOCABULARY = 2, 32, 2000
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def make_tiny_encoder(folder: Path, seed: int = 0) -> None:
    """Fill `folder` with an XLMRobertaModel (no pooler), seeded, and its tokenizer."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer_into(folder)
    config = XLMRobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = XLMRobertaModel(config, add_pooling_layer=False)
    model.save_pretrained(folder)


def tokenizer_into(folder: Path) -> None:
    """A Unigram tokenizer with XLM-R's special tokens, trained on the generated pool and sets."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    save_tokenizer(tokenizer, folder)


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """As XLM-R's, of which it has the special tokens as ids 0 to 4."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=512,
    )
    folder.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(folder)


def _texts() -> list[str]:
    """The wordings of every language are text enough."""
    from xtl.data import lookup

    folder = Path(lookup.__file__).parent
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".yaml", ".json")]
    return [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
