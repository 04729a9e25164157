"""Tokens of a text grouped to its words, for explanations."""

from collections.abc import Callable, Sequence

from deepglass.features._tokenizers import END

MAX_WORDS = 60  # explained words of a generated text


def words_of_tokens(piece_of: Callable[[list[int]], str], codes: Sequence[int]) -> tuple[list[int], tuple[str, ...]]:
    """Word index of each token, and the words; -1 for the end token, the number of words for omitted ones.

    Args:
        piece_of: function from codes to text.
    """
    groups, words = group_pieces([piece_of([c]) for c in codes])
    groups = [-1 if c == END else g for c, g in zip(codes, groups, strict=True)]
    used = sorted({g for g in groups if g >= 0 and words[g].strip()})[:MAX_WORDS]
    index = {g: i for i, g in enumerate(used)}
    if not used:
        return [0] * len(codes), ("(nothing)",)
    return [index.get(g, len(used) if g >= 0 else -1) for g in groups], tuple(words[g].strip() for g in used)


def group_pieces(pieces: Sequence[str]) -> tuple[list[int], list[str]]:
    """Groups the tokens of a text into words; punctuation marks are words of their own.

    Example:
        >>> group_pieces(["the", " cat", "s", "."])
        ([0, 1, 1, 2], ['the', ' cats', '.'])
    """
    groups: list[int] = []
    words: list[str] = []
    for piece in pieces:
        starts = not words or piece[:1].isspace() or not piece.strip() or not _letters(piece) or not _letters(words[-1])
        if starts and not (words and not words[-1].strip() and not piece[:1].isspace()):
            words.append(piece)
        else:
            words[-1] += piece
        groups.append(len(words) - 1)
    return groups, words


def _letters(piece: str) -> bool:
    return any(c.isalnum() or c == "\ufffd" for c in piece) or not piece.strip()
