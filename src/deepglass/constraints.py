"""Types for settings with a range: annotate a constructor's parameter, and `config.construct` checks it.

def __init__(self, depth: Count = 2, dropout: Fraction = 0.1) -> None: ...
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import StringConstraints

Count = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Lt(2**63)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
PositiveShare = Annotated[float, Gt(0), Le(1)]
Fraction = Annotated[float, Ge(0), Lt(1)]
"""Of which something must be left, such as a dropout rate."""
OpenShare = Annotated[float, Gt(0), Lt(1)]
FunctionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""`module:function`, of the user."""
Pixels = Annotated[int, Ge(1), Le(4096)]
"""Of one side of an image."""

__all__ = [
    "Count",
    "Fraction",
    "FunctionName",
    "Ge",
    "Gt",
    "Le",
    "Len",
    "Lt",
    "NonNegative",
    "NonNegativeInt",
    "OpenShare",
    "Pixels",
    "Positive",
    "PositiveShare",
    "Seed",
    "Share",
]
