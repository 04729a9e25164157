"""Subword tokenizers of the library `tokenizers`: learned from the texts, or of a pretrained model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from deepglass.errors import DeepglassError, SourceError
from deepglass.features._tokenizers import END, UNKNOWN, Codes
from deepglass.files import read_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Subword = Literal["bpe", "unigram"]
_SPECIAL = ["<unknown>", "<end>"]  # at the indices UNKNOWN and END


class Subwords:
    """Subword tokenizer: BPE, unigram, or that of a pretrained model.

    Args:
        content: JSON, as written by `Tokenizer.to_str`.
        wrapped: whether special tokens of the model, such as [CLS], are added to each text.

    Source: Sennrich et al., 2016, arXiv 1508.07909 (byte pairs); Kudo, 2018, arXiv 1804.10959 (unigram).
    """

    def __init__(self, content: str, add_special_tokens: bool = False) -> None:
        self.content, self.add_special_tokens = content, add_special_tokens

    @cached_property
    def tokenizer(self) -> Tokenizer:
        tokenizer = _library().Tokenizer.from_str(self.content)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @property
    def size(self) -> int:
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    @staticmethod
    def learn(algorithm: Subword, texts: pl.Series, limit: int) -> str:
        """Train a tokenizer of at most `limit` tokens; returns its JSON."""
        library = _library()
        if algorithm == "bpe":
            tokenizer = library.Tokenizer(library.models.BPE())
            tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
            tokenizer.decoder = library.decoders.ByteLevel()
            trainer = library.trainers.BpeTrainer(
                vocab_size=limit,
                special_tokens=_SPECIAL,
                show_progress=False,
                initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            )
        else:
            tokenizer = library.Tokenizer(library.models.Unigram())
            tokenizer.pre_tokenizer = library.pre_tokenizers.Metaspace()
            tokenizer.decoder = library.decoders.Metaspace()
            trainer = library.trainers.UnigramTrainer(
                vocab_size=limit, special_tokens=_SPECIAL, unk_token=_SPECIAL[UNKNOWN], show_progress=False
            )
        tokenizer.train_from_iterator(_batches(texts.drop_nulls()), trainer, len(texts))
        return tokenizer.to_str()

    @staticmethod
    def read(name: str) -> str:
        """The content of a tokenizer.json: a file, the one in a folder, or that of a model on the Hugging Face hub.

        Raises:
            SourceError: `not-found` or `unreadable-file`.
        """
        path = Path(name).expanduser()
        path = path / "tokenizer.json" if path.is_dir() else path
        if not path.is_file() and not name.startswith((".", "/", "~")):
            path = _from_hub(name)
        if not path.is_file():
            raise SourceError("not-found", f"tokenizer: no file {path}")
        try:
            content = read_file(path, f"tokenizer: {path}").decode()
            _library().Tokenizer.from_str(content)
        except DeepglassError:
            raise
        except Exception as error:  # the library raises plain Exception
            raise SourceError(
                "unreadable-file", f"tokenizer: {path} cannot be read as a tokenizer ({error})"
            ) from error
        return content

    def encode(self, texts: pl.Series) -> Codes:
        encodings = self.tokenizer.encode_batch(
            [t or "" for t in texts.to_list()], add_special_tokens=self.add_special_tokens
        )
        present = texts.is_not_null().to_list()
        ids = [e.ids if is_present else [] for e, is_present in zip(encodings, present, strict=True)]
        lengths = np.array([len(i) for i in ids], dtype=np.int64)
        return Codes(lengths, np.array([c for i in ids for c in i], dtype=np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        text = self.tokenizer.decode([int(c) for c in codes if c != END], skip_special_tokens=True)
        return text.removeprefix(" ")


def _batches(texts: pl.Series, size: int = 1_000) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size].to_list()


def _from_hub(name: str) -> Path:
    """tokenizer.json of a model on the Hugging Face hub, if huggingface_hub is installed."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return Path(name)
    try:
        return Path(hf_hub_download(name, "tokenizer.json"))
    except (OSError, ValueError) as error:  # unknown name, or no network
        raise SourceError("not-found", f"tokenizer: {name}: {str(error).partition(chr(10))[0]}") from error


def _library():  # type: ignore[no-untyped-def]
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise SourceError(
            "missing-extra", "tokenizations bpe and unigram need the library tokenizers: pip install 'deepglass[text]'"
        ) from error
    return tokenizers
