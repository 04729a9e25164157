"""Recurrent layers: rnn, gru and lstm, bidirectional and layer-normalised.

Source: Elman, 1990 (rnn); Hochreiter and Schmidhuber, 1997 (lstm); Cho et al., 2014, arXiv 1406.1078 (gru); Schuster
and Paliwal, 1997 (bidirectional); Ba et al., 2016, arXiv 1607.06450 (layer normalisation in the cell).
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepglass.nn.token_ops import gather, pack_left

Cell = Literal["rnn", "gru", "lstm"]
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class RecurrentOutput(NamedTuple):
    """Shapes: values: (B, T, H * directions), the state after each token; last: (B, H * directions)."""

    values: Tensor
    last: Tensor


class Recurrent(nn.Module):
    """Stacked recurrent layers; masked tokens leave the state unchanged.

    Args:
        cell: "rnn" (tanh), "gru" or "lstm".
        size: width D of the tokens.
        hidden: H, state size per direction.
        depth: layers.
        bidirectional: a second state runs from the last token to the first.
        layer_norm: layer normalisation in the cell, by a loop over the tokens.
        dropout: rate between layers.
        expected_lag: longest time lag that matters, in steps; gate biases start with time constants up to it (chrono
            initialisation). None: about 1. Ignored with `layer_norm`.

    Shapes:
        values (B, T, D), mask (B, T) with at least one True per row -> `RecurrentOutput`.

    Example:
        >>> Recurrent("lstm", 8, 16, bidirectional=True)(torch.rand(2, 5, 8), torch.ones(2, 5).bool()).last.shape
        torch.Size([2, 32])
    """

    def __init__(
        self,
        cell: Cell,
        size: int,
        hidden: int,
        depth: int = 1,
        *,
        bidirectional: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        expected_lag: int | None = None,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        self.out_dim = directions * hidden
        self.dropout = nn.Dropout(dropout)
        make = NormedLayer if layer_norm else partial(plain_layer, expected_lag=expected_lag)
        sizes = [size, *[self.out_dim] * (depth - 1)]
        self.layers: Any = nn.ModuleList(nn.ModuleList(make(cell, s, hidden) for _ in range(directions)) for s in sizes)

    def forward(self, values: Tensor, mask: Tensor, *, packed: bool = False) -> RecurrentOutput:
        """`packed`: the present tokens of each row come first, as those of a single input do."""
        forth, back = orders(mask, packed)
        x, last = values, values[:, 0]
        for i, directions in enumerate(self.layers):
            x = self.dropout(x) if i else x
            outs, lasts = [], []
            for layer, order in zip(directions, (forth, back)):
                moved = x if order is None else gather(x, order)
                states = layer(moved)[0]
                lasts.append(_at(states, mask.sum(1) - 1))
                outs.append(states if order is None else gather(states, order.argsort(dim=1)))
            x, last = torch.cat(outs, -1) * mask[..., None], torch.cat(lasts, -1)
        return RecurrentOutput(x, last)


def plain_layer(cell: Cell, size: int, hidden: int, expected_lag: int | None = None) -> nn.Module:
    """A torch recurrent layer with orthogonal recurrent weights and, for lstm, a forget bias of 1.

    Source: Saxe et al., 2013, arXiv 1312.6120; Jozefowicz et al., 2015, ICML (forget bias 1); Tallec and Ollivier,
    2018, arXiv 1804.11188 (chrono initialisation of the gate biases).
    """
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](size, hidden, batch_first=True)
    _initialise(layer.weight_hh_l0, hidden)
    with torch.no_grad():
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
        if cell == "lstm":
            layer.bias_ih_l0[hidden : 2 * hidden] = 1.0
        if expected_lag is not None and cell != "rnn":
            spans = torch.empty(hidden).uniform_(1, max(expected_lag - 1, 1)).log()
            layer.bias_ih_l0[hidden : 2 * hidden] = spans  # forget gate of an lstm, update gate of a gru
            if cell == "lstm":
                layer.bias_ih_l0[:hidden] = -spans
    return layer


class NormedLayer(nn.Module):
    """Recurrent layer with layer normalisation of the gates.

    Shapes:
        x: (B, T, D) -> (B, T, H), and None where a layer of torch returns its state.
    """

    def __init__(self, cell: Cell, size: int, hidden: int) -> None:
        super().__init__()
        self.cell, self.hidden = cell, hidden
        gates = GATES[cell] * hidden
        self.input, self.input_norm = nn.Linear(size, gates, bias=False), nn.LayerNorm(gates)
        self.state, self.state_norm = nn.Linear(hidden, gates, bias=False), nn.LayerNorm(gates)
        self.cell_norm = nn.LayerNorm(hidden) if cell == "lstm" else None
        _initialise(self.state.weight, hidden)
        if cell == "lstm":
            with torch.no_grad():
                self.input_norm.bias[hidden : 2 * hidden] = 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        inputs = self.input_norm(self.input(x)).unbind(1)
        h = x.new_zeros(len(x), self.hidden)
        c = h
        states = []
        for gates in inputs:
            recurrent = self.state_norm(self.state(h))
            if self.cell == "rnn":
                h = torch.tanh(gates + recurrent)
            elif self.cell == "gru":
                reset, update = torch.sigmoid(gates + recurrent)[:, : 2 * self.hidden].chunk(2, 1)
                new = torch.tanh(gates[:, 2 * self.hidden :] + reset * recurrent[:, 2 * self.hidden :])
                h = new + update * (h - new)
            else:
                let_in, keep, new, let_out = (gates + recurrent).chunk(4, 1)
                c = torch.sigmoid(keep) * c + torch.sigmoid(let_in) * torch.tanh(new)
                assert self.cell_norm is not None
                h = torch.sigmoid(let_out) * torch.tanh(self.cell_norm(c))
            states.append(h)
        return torch.stack(states, 1), None


def gates_of(layer: nn.RNNBase | NormedLayer, x: Tensor, states: Tensor) -> dict[str, Tensor]:
    """Gate activations of a layer at each token, recomputed from its inputs and states.

    Gates of lstm and gru depend on the token and the previous state only. "new" is the candidate value, from -1 to 1;
    the others are in [0, 1]. A plain layer has none.

    Shapes:
        x: (B, T, D), states: (B, T, H), both in the order of reading -> (B, T, H) per gate.
    """
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
    if isinstance(layer, NormedLayer):
        from_input, from_state = layer.input_norm(layer.input(x)), layer.state_norm(layer.state(before))
    else:
        weights: Any = layer
        from_input = F.linear(x, weights.weight_ih_l0, weights.bias_ih_l0)
        from_state = F.linear(before, weights.weight_hh_l0, weights.bias_hh_l0)
    gates = from_input.shape[-1] // states.shape[-1]
    if gates == GATES["gru"]:
        reset, update = (from_input + from_state).sigmoid().chunk(gates, -1)[:2]
        new = torch.tanh(from_input.chunk(gates, -1)[2] + reset * from_state.chunk(gates, -1)[2])
        return {"reset": reset, "keep": update, "new": new}
    if gates == GATES["lstm"]:
        let_in, keep, new, let_out = (from_input + from_state).chunk(gates, -1)
        return {"input": let_in.sigmoid(), "keep": keep.sigmoid(), "new": new.tanh(), "output": let_out.sigmoid()}
    return {}


def _initialise(recurrent: Tensor, hidden: int) -> None:
    for gate in recurrent.data.split(hidden):
        nn.init.orthogonal_(gate)


def orders(mask: Tensor, packed: bool = False) -> tuple[Tensor | None, Tensor]:
    """Indices of the present tokens in reading order: forwards (None for packed rows: unchanged) and backwards."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    lengths = mask.sum(1, keepdim=True)
    turned = torch.where(positions < lengths, lengths - 1 - positions, positions)
    if packed:
        return None, turned
    forth, _ = pack_left(mask)
    return forth, forth.gather(1, turned)


def _at(states: Tensor, positions: Tensor) -> Tensor:
    """The state of each row at its own position, (B, H)."""
    return states[torch.arange(len(states), device=states.device), positions]


def shift(x: Tensor, start: Tensor) -> Tensor:
    """Each token moved by one position, with `start` (D,) first; the last is dropped."""
    return torch.cat([start.expand(len(x), 1, -1).to(x.dtype), x[:, :-1]], 1)
