"""Why a run predicts what it does: attributions to the parts of the input, and tests of their faithfulness.

input_layers    where each input enters the network as floats, and the baseline that stands for its absence
gradients       integrated gradients from there; one-step gradient times input
attribution     explanations by gradients, with class activation maps
shapley         Shapley values of the columns of a table
counterfactual  partial dependence, and the smallest change that flips a prediction
aggregate       attributions summed to words, steps, regions and columns
reference       background rows, and the training rows that are nearest in the embedding
checks          completeness, weight randomisation, deletion and insertion
explainer       all of it for some rows
"""

from importlib import import_module
from typing import Any


def load(module: str) -> Any:
    """A module of this folder, imported on the first call, since predictions alone do not need it."""
    return import_module(f"deepglass.explain.{module}")
