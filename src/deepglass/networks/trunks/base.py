"""Base class of trunks: the networks between encoders and heads."""

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
    """Base class of trunks: tokens of all inputs -> tokens for the heads.

    The constructor is `__init__(self, inputs: Sequence[TokenShape], **settings)`; its keyword arguments are the
    settings under `network:` in a spec. It sets:

        dim: width D of the encoders' tokens.
        out_dim: width of its output.
        zero_heads: whether the weights of the heads start at zero.
        pyramid: widths of the feature maps in `Tokens.pyramid`, finest first; () for none.
        ensemble_size: M for an ensemble whose forward gives (B * M, T, D), the members of a row adjacent.
    """

    training_defaults: ClassVar[TrainingDefaults] = TrainingDefaults()
    ordered: ClassVar[bool] = False  # a sequence model: texts come as tokens, not as a bag
    sizes: ClassVar[tuple[Mapping[str, int], ...]] = ()  # settings from small to large, for a time budget
    min_steps: ClassVar[int] = 1000  # training steps below which a smaller network learns more
    dim: int
    out_dim: int
    ensemble_size: int = 1
    pyramid: tuple[int, ...] = ()
    zero_heads: bool = False

    @classmethod
    def size_for_budget(cls, inputs: Sequence[TokenShape], rows: int, work: float) -> dict[str, int]:
        """The largest of `sizes` that still has `min_steps` training steps in a time budget; {} without sizes.

        Args:
            rows: number of training rows.
            work: approximate number of multiplications in the budget.
        """
        batch_size = min(cls.training_defaults.batch_size, rows)
        limit = work / (3 * batch_size * cls.min_steps)  # of a row's forward pass; the backward pass costs two
        fitting = [size for size in cls.sizes if cls.multiplications(inputs, **size) <= limit]
        return dict((fitting or [*cls.sizes[:1], {}])[-1 if fitting else 0])

    @classmethod
    def multiplications(cls, inputs: Sequence[TokenShape], **size: int) -> float:
        """Multiplications of a row's forward pass, without the encoders, for one of `sizes`."""
        raise NotImplementedError

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature], settings: Mapping[str, Any]) -> list[Feature]:
        """The unfitted inputs as the trunk needs them, such as texts as sequences."""
        return [f.as_sequence() if cls.ordered else f for f in inputs]

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """An encoder of the trunk's own, such as image patches; None uses the feature's.

        Args:
            settings: the trunk's own settings.
        """
        return None

    @classmethod
    def causal(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with causal masking, so that no token depends on a later one.

        Raises:
            SpecError: `bad-value` if the trunk has no causal form.
        """
        names = ", ".join(name for name, trunk in TRUNKS if trunk.ordered)
        raise SpecError("bad-value", f"network.trunk: expected a sequence model, one of: {names}")

    def make_decoder(self, feature: Feature) -> nn.Module | None:
        """An autoregressive head of the trunk's own; None uses the feature's."""
        return None

    @abstractmethod
    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        """One `Tokens` per encoder, in the order of `inputs`, to one `Tokens` of width `out_dim`.

        Inputs with a grid and inputs without (an image beside numbers) must both be used.
        """


TRUNKS: Registry[Trunk] = Registry("deepglass.networks.trunks", "Trunk", "network")
