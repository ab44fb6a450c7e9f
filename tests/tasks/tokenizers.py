"""Tokenizers for tests: a small one of XLM-R's make, and XLM-R's own where it is at hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def small_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Unigram over NFKC text with ▁ for spaces, XLM-R's special ids and pair template.

    Its pieces are the texts' characters, and their words of at most five without punctuation.
    """
    normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    words = sorted({word for text in texts for word in normalizer.normalize_str(text).split()})
    characters = sorted({character for word in words for character in word} | {"▁"})
    pieces = [(character, -10.0) for character in characters]
    pieces += [(f"▁{word}", -12.0) for word in words if 1 < len(word) <= 5 and _is_bare(word)]
    vocabulary = [(token, 0.0) for token in SPECIAL] + pieces
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    fast: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
    )
    return fast


def _is_bare(word: str) -> bool:
    return not any(unicodedata.category(character).startswith("P") for character in word)
