"""The codes of whole words in the vocabulary of a text, by which its encoder starts from word vectors."""

from deepglass.features._tokenizers import FIRST
from deepglass.features.text import Text


def word_codes(text: Text) -> dict[str, int]:
    """Word in lower case -> its code; n-grams, parts of words and pieces of several words are left out."""
    vocabulary = text.vocabulary_ or ()
    if text.tokenization == "words":
        return {feature[1:]: code for code, feature in enumerate(vocabulary, 1) if feature[0] == "="}
    if text.tokenization == "word_level":
        return {word: code for code, word in enumerate(vocabulary, FIRST)}
    if text.tokenization == "pieces":  # the first of two pieces of one word in lower case is the more frequent one
        pieces = [(piece[1:].lower(), code) for code, piece in enumerate(vocabulary, FIRST) if piece[0] == " "]
        return dict(reversed(pieces))
    if text.tokenization in (None, "ngrams") and not text.tokenizer:
        return {gram: code for code, gram in enumerate(vocabulary, 1) if gram.isalnum()}
    return {}
