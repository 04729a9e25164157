"""Token tagging: columns of lists that are aligned word by word, such as words and their tags."""

from dataclasses import replace

import polars as pl

from deepglass.data.table import Note, Table

_MIN_ROWS = 10  # fewer can be of equal lengths by chance


def with_tags(table: Table) -> Table:
    """Mark which columns are words and which hold one tag per word.

    They are lists of text of equal length in each row, while rows differ; the column with the most different texts is
    the words. Tags are targets: a single column of them is the target of the table.
    """
    lists = {n: c for n, c in table.columns.items() if isinstance(c, pl.Series) and c.dtype == pl.List(pl.String)}
    lengths = {name: column.list.len() for name, column in lists.items()}
    groups = ([other for other in lists if _in_line(lengths[name], lengths[other])] for name in lists)
    group = next((group for group in groups if len(group) > 1), None)
    if group is None:
        return table
    words = max(group, key=lambda name: lists[name].explode(empty_as_null=False).n_unique())
    tags = [name for name in group if name != words]
    note = Note(
        "tags", ", ".join(tags), f"lists as long as those of {words!r} in each row: inputs only if the spec names them"
    )
    return replace(
        table,
        notes=(*table.notes, note),
        kinds={words: "text", **dict.fromkeys(tags, "tags")},
        excluded=tuple(tags),
        target=tags[0] if len(tags) == 1 else None,
    )


def _in_line(one: pl.Series, other: pl.Series) -> bool:
    both = one.is_not_null() & other.is_not_null()
    one, other = one.filter(both), other.filter(both)
    return len(one) >= _MIN_ROWS and one.n_unique() > 2 and bool((one == other).all())
