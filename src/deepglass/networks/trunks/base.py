"""What lies between encoders and heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.tokens import Tokens, TokenShape
from deepglass.registry import Registry


class Trunk(nn.Module, ABC):
    """Tokens of all inputs -> the tokens that the heads read.

    The constructor is `__init__(self, inputs: Sequence[TokenShape], **settings)`; its keyword arguments are the
    settings under `network:` in a spec. It sets:

        dim: the width D that the encoders must give.
        out_dim: the width that the heads get.
        pyramid: the widths of the maps that its `Tokens.pyramid` holds, finest first; () for none.
        ensemble_size: M for an ensemble whose forward gives (B * M, T, D), the members of a row side by side.
    """

    training_defaults: ClassVar[TrainingDefaults] = TrainingDefaults()
    ordered: ClassVar[bool] = False  # it reads in order: texts come as their words, not as a bag
    dim: int
    out_dim: int
    ensemble_size: int = 1
    pyramid: tuple[int, ...] = ()

    @classmethod
    def size_for_budget(cls, inputs: Sequence[TokenShape], rows: int, work: float) -> dict[str, Any]:
        """Settings that follow from a time budget, where nobody states them.

        Args:
            rows: of training.
            work: multiplications that the budget holds, roughly.
        """
        return {}

    @classmethod
    def resolved_settings(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What a run must keep of what its settings name, such as a pretrained model's configuration."""
        return {}

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature], settings: Mapping[str, Any]) -> list[Feature]:
        """The inputs, not fitted yet, as the network needs them: texts in order for one that reads in order."""
        return [f.as_sequence() if cls.ordered else f for f in inputs]

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """A module from `Field` to `Tokens` of the trunk's own, such as patches of a picture; None takes the kind's.

        Args:
            settings: the trunk's own settings.
        """
        return None

    @classmethod
    def causal(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """These settings, and those under which no token sees a later one.

        Raises:
            SpecError: `bad-value` where the network cannot be so.
        """
        names = ", ".join(name for name, trunk in TRUNKS if trunk.ordered)
        raise SpecError("bad-value", f"network.trunk: expected one that reads in order: {names}")

    def make_decoder(self, feature: Feature) -> nn.Module | None:
        """A head of the trunk's own for a text that is written a token at a time; None takes the kind's."""
        return None

    @abstractmethod
    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        """One `Tokens` an encoder, in the order of `inputs`, to one `Tokens` of width `out_dim`.

        Inputs with a grid and inputs without (a picture beside numbers) must both be used.
        """


TRUNKS: Registry[Trunk] = Registry("deepglass.networks.trunks", "Trunk", "network")
