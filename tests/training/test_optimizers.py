"""Optimizers against torch or a reference implementation, and exact resume."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deepglass.errors import SpecError
from deepglass.training.muon import Muon, orthogonalise
from deepglass.training.optimizers import OPTIMIZERS, decays, make_optimizer, set_learning_rates

RATE, DECAY = 0.01, 0.1


class Small(nn.Module):
    """A hidden matrix, a channels-last convolution, a norm, an encoder and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 8)
        self.conv = nn.Conv2d(2, 4, 2).to(memory_format=torch.channels_last)
        self.trunk = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x).view(-1, 2, 2, 2)
        return self.head(self.norm(self.trunk(self.conv(x).flatten(1))))


def train(module: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for i in steps:
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(i))
        optimizer.zero_grad()
        module(x).sub(x[:, :3]).square().mean().backward()
        optimizer.step()


def small() -> Small:
    torch.manual_seed(0)
    return Small()


def torch_s(name: str, groups: list[dict]) -> torch.optim.Optimizer:
    return {
        "sgd": lambda: torch.optim.SGD(groups, RATE),
        "momentum": lambda: torch.optim.SGD(groups, RATE, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD(groups, RATE, momentum=0.9, nesterov=True),
        "rmsprop": lambda: torch.optim.RMSprop(groups, RATE),
        "adam": lambda: torch.optim.Adam(groups, RATE),
        "adamw": lambda: torch.optim.AdamW(groups, RATE),
    }[name]()


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"])
def test_optimizers_agree_with_torch(name: str) -> None:
    ours, theirs = small(), small()
    groups = [
        {"params": [p for n, p in theirs.named_parameters() if decays(n, p) == decaying], "weight_decay": decay}
        for decaying, decay in ((True, DECAY), (False, 0.0))
    ]
    train(ours, make_optimizer(name, ours.named_parameters(), RATE, DECAY), range(10))
    train(theirs, torch_s(name, groups), range(10))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4 if name == "rmsprop" else 1e-5, rtol=1e-4)


def follow(optimizer: str, update: Callable[[Tensor, Tensor, dict], Tensor], **settings: float) -> None:
    """Minimise |W A - B|^2 with the optimizer and with a hand-written update."""
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 9, generator=g), torch.randn(3, 9, generator=g)
    w = nn.Parameter(torch.randn(3, 5, generator=g))
    by_hand, state = w.detach().clone(), {}
    made = make_optimizer(optimizer, [("inside.weight", w)], RATE, DECAY, **settings)
    losses = []
    for _ in range(30):
        made.zero_grad()
        loss = (w @ a - b).square().mean()
        loss.backward()
        by_hand = update(by_hand, w.grad, state)
        made.step()
        losses.append(loss.item())
        torch.testing.assert_close(w.detach(), by_hand, atol=1e-5, rtol=1e-4)
    assert losses[-1] < losses[0]


def test_lion_agrees_with_the_paper() -> None:
    def update(w: Tensor, grad: Tensor, state: dict) -> Tensor:
        m = state.get("m", torch.zeros_like(w))
        move = torch.sign(0.9 * m + 0.1 * grad)
        state["m"] = 0.99 * m + 0.01 * grad
        return w - RATE * (move + DECAY * w)

    follow("lion", update)


def test_muon_agrees_with_the_reference_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepglass.training.optimizers.fast_bfloat16", lambda device: False)

    def update(w: Tensor, grad: Tensor, state: dict) -> Tensor:
        state["m"] = 0.95 * state.get("m", torch.zeros_like(w)) + 0.05 * grad
        x = 0.05 * grad + 0.95 * state["m"]
        x = x / x.norm()
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return w * (1 - RATE * DECAY) - RATE * 0.2 * math.sqrt(5) * x

    follow("muon", update)


def test_muon_is_close_to_torch() -> None:
    ours, theirs = nn.Linear(12, 7, bias=False), nn.Linear(12, 7, bias=False)
    theirs.load_state_dict(ours.state_dict())
    mine = make_optimizer("muon", ours.named_parameters(), RATE, DECAY)
    reference = torch.optim.Muon(theirs.parameters(), RATE, DECAY, adjust_lr_fn="match_rms_adamw")
    for i in range(5):
        grad = torch.randn(7, 12, generator=torch.Generator().manual_seed(i))
        ours.weight.grad, theirs.weight.grad = grad, grad.clone()
        mine.step()
        reference.step()
    torch.testing.assert_close(ours.weight, theirs.weight, atol=1e-3, rtol=0)  # torch iterates in bfloat16


def test_muon_updates_hidden_matrices_and_adamw_the_rest() -> None:
    ours, theirs = small(), small()
    optimizer = make_optimizer("muon", ours.named_parameters(), RATE, DECAY)
    inner = {id(p) for g in optimizer.param_groups if g["orthogonal"] for p in g["params"]}
    assert {n for n, p in ours.named_parameters() if id(p) in inner} == {"conv.weight", "trunk.weight"}
    adamw = make_optimizer("adamw", theirs.named_parameters(), RATE, DECAY, betas=(0.9, 0.95))
    for module, made in ((ours, optimizer), (theirs, adamw)):
        for p in module.parameters():
            p.grad = torch.ones_like(p)
        made.step()
    torch.testing.assert_close(ours.head.weight, theirs.head.weight)
    torch.testing.assert_close(ours.norm.bias, theirs.norm.bias)
    assert not torch.allclose(ours.trunk.weight, theirs.trunk.weight)


@pytest.mark.parametrize("shape", [(2, 16, 8), (1, 8, 16), (3, 8, 8)])
def test_orthogonalise_equalises_singular_values(shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    before, after = torch.linalg.svdvals(x), torch.linalg.svdvals(orthogonalise(x))
    assert after.max() < 1.3
    assert (after[before > 0.1 * before.max()] > 0.6).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_dict_resumes_to_identical_weights(name: str) -> None:
    unbroken = small()
    train(unbroken, make_optimizer(name, unbroken.named_parameters(), None, DECAY), range(12))

    first = small()
    optimizer = make_optimizer(name, first.named_parameters(), None, DECAY)
    train(first, optimizer, range(7))
    saved = copy.deepcopy(optimizer.state_dict())
    for state in saved["state"].values():  # as a file gives them back: in row order
        state.update({k: v.contiguous() for k, v in state.items() if isinstance(v, Tensor)})
    second = small()
    second.load_state_dict(first.state_dict())
    reloaded = make_optimizer(name, second.named_parameters(), None, DECAY)
    reloaded.load_state_dict(saved)
    train(second, reloaded, range(7, 12))
    for a, b in zip(unbroken.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_learns_at_its_default_rate(name: str) -> None:
    module = small()
    optimizer = make_optimizer(name, module.named_parameters())
    x = torch.randn(256, 6, generator=torch.Generator().manual_seed(99))
    error = lambda: module(x).sub(x[:, :3]).square().mean().item()  # noqa: E731
    before = error()
    train(module, optimizer, range(300))
    assert error() < 0.75 * before


def test_only_weights_decay() -> None:
    module = small()
    optimizer = make_optimizer("adamw", module.named_parameters(), RATE, DECAY)
    decaying = {id(p) for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}
    names = {n for n, p in module.named_parameters() if id(p) in decaying}
    assert names == {"encoder.weight", "conv.weight", "trunk.weight", "head.weight"}
    assert not decays("tokens.missing", torch.zeros(1, 1, 8))


def test_learning_rates_follow_the_schedule() -> None:
    optimizer = make_optimizer("adamw", small().named_parameters(), RATE)
    set_learning_rates(optimizer, 0.5)
    set_learning_rates(optimizer, 0.25)
    assert [g["lr"] for g in optimizer.param_groups] == [RATE / 4] * len(optimizer.param_groups)


def test_frozen_and_shared_parameters() -> None:
    module = small()
    module.encoder.requires_grad_(False)
    named = [*module.named_parameters(), ("tied.weight", module.head.weight)]
    optimizer = make_optimizer("adamw", named, RATE)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(list(module.parameters())) - 2


def test_a_parameter_without_gradient_is_unchanged() -> None:
    for name in OPTIMIZERS:
        module = small()
        optimizer = make_optimizer(name, module.named_parameters(), RATE, DECAY)
        module.trunk.weight.grad = torch.ones(4, 4)
        optimizer.step()
        assert torch.equal(module.head.weight, small().head.weight)
        assert not torch.equal(module.trunk.weight, small().trunk.weight)


def test_adamw_defaults_of_muon() -> None:
    module = small()
    train(module, Muon(module.parameters(), 1e-3), range(2))
    assert not torch.equal(module.trunk.weight, small().trunk.weight)


def test_errors_name_the_culprit() -> None:
    named = list(small().named_parameters())
    with pytest.raises(
        SpecError, match=r"\[unknown-name\] optimizer: no optimizer 'rmsprob'; did you mean 'rmsprop'\?"
    ):
        make_optimizer("rmsprob", named)
    with pytest.raises(SpecError, match=r"\[unknown-key\] optimizer 'momentum' has no setting 'momentun'; did you"):
        make_optimizer("momentum", named, momentun=0.5)
    with pytest.raises(SpecError, match=r"\[bad-value\] learning_rate: expected a number above 0, got -1"):
        make_optimizer("adamw", named, -1)
    with pytest.raises(SpecError, match=r"\[bad-value\] weight_decay: expected a number of at least 0, got nan"):
        make_optimizer("adamw", named, 1e-3, math.nan)
