"""Recurrent layers against torch with packed sequences, both directions, layer normalisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from deepglass.nn.recurrent import Recurrent, gates_of

CELLS = ["rnn", "gru", "lstm"]
LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(5) < LENGTHS[:, None]


def rows() -> torch.Tensor:
    return torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_agree_with_packed_sequences_of_torch(cell: str):
    torch.manual_seed(0)
    ours = Recurrent(cell, 4, 6, 2, bidirectional=True)
    theirs = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](4, 6, 2, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for i, directions in enumerate(ours.layers):
            for layer, end in zip(directions, ("", "_reverse"), strict=True):
                for name, weight in layer.named_parameters():
                    theirs.get_parameter(name.replace("l0", f"l{i}{end}")).copy_(weight)
    packed = pack_padded_sequence(rows(), LENGTHS, batch_first=True, enforce_sorted=False)
    values, state = theirs(packed)
    wanted, _ = pad_packed_sequence(values, batch_first=True)
    last = (state[0] if cell == "lstm" else state)[-2:].transpose(0, 1).flatten(1)
    read = ours(rows(), MASK)
    torch.testing.assert_close(read.values, wanted)
    torch.testing.assert_close(read.last, last)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_absent_tokens_have_no_effect_at_any_position(cell: str, layer_norm: bool):
    torch.manual_seed(0)
    net = Recurrent(cell, 4, 6, bidirectional=True, layer_norm=layer_norm)
    mask = torch.tensor([[True, False, True, True, False]])
    x = rows()[:1]
    holes, closed = net(x, mask), net(x[:, mask[0]], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(holes.values[:, mask[0]], closed.values)
    torch.testing.assert_close(holes.last, closed.last)
    torch.testing.assert_close(holes.last[:, :6], holes.values[:, 3, :6])
    torch.testing.assert_close(holes.last[:, 6:], holes.values[:, 0, 6:])


@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_normalised_cell_is_invariant_to_input_scale(cell: str):
    torch.manual_seed(0)
    normed, plain = (Recurrent(cell, 4, 6, layer_norm=layer_norm) for layer_norm in (True, False))
    once, loud = rows(), rows() * 100
    torch.testing.assert_close(normed(once, MASK).last, normed(loud, MASK).last, rtol=1e-2, atol=1e-2)
    assert not torch.allclose(plain(once, MASK).last, plain(loud, MASK).last, atol=1e-2)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_states_agree_with_the_gate_equations(cell: str, layer_norm: bool):
    torch.manual_seed(0)
    layer = Recurrent(cell, 4, 6, layer_norm=layer_norm).layers[0][0]
    states = layer(rows())[0]
    gates = gates_of(layer, rows(), states)
    h = c = torch.zeros(3, 6)
    for t in range(5):
        at = {name: gate[:, t] for name, gate in gates.items()}
        if cell == "gru":
            h = at["keep"] * h + (1 - at["keep"]) * at["new"]
        else:
            c = at["keep"] * c + at["input"] * at["new"]
            h = at["output"] * torch.tanh(layer.cell_norm(c) if layer_norm else c)
        torch.testing.assert_close(h, states[:, t])


def test_recurrent_weights_are_orthogonal_and_forget_gates_start_open():
    for layer_norm in (False, True):
        layer = Recurrent("lstm", 4, 6, layer_norm=layer_norm).layers[0][0]
        weight = layer.state.weight if layer_norm else layer.weight_hh_l0
        bias = layer.input_norm.bias if layer_norm else layer.bias_ih_l0 + layer.bias_hh_l0
        for gate in weight.split(6):
            torch.testing.assert_close(gate @ gate.T, torch.eye(6), rtol=0, atol=1e-5)
        assert bias.view(4, 6).mean(1).tolist() == [0.0, 1.0, 0.0, 0.0]


def test_lstm_gradients_reach_the_first_token_of_a_long_row():
    torch.manual_seed(0)
    share = {}
    for cell in ("rnn", "lstm"):
        x = torch.randn(4, 100, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        Recurrent(cell, 8, 16)(x, torch.ones(4, 100, dtype=torch.bool)).last.square().sum().backward()
        share[cell] = (x.grad[:, 0].norm() / x.grad[:, -1].norm()).item()
    assert share["lstm"] > 1_000 * share["rnn"], share  # 360,000 times with this seed
