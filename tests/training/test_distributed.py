"""Parts of a batch, random numbers by row and batch statistics over processes, without starting any process."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.data.batches import Dataset, ShuffledLoader
from deepglass.data.mixup import mixup
from deepglass.errors import DeepglassError, PeerError, SourceError, SpecError
from deepglass.features.base import Column
from deepglass.nn.tabular import Dropout
from deepglass.nn.tokens import whole_batch
from deepglass.training.distributed.environment import Place, is_first_process, place_in_group
from deepglass.training.distributed.processes import ProcessGroup, check_same
from deepglass.training.distributed.split import RowPart, SplitLoader, check_rows, part_of_rows
from deepglass.training.distributed.split_batch import SplitBatch
from deepglass.training.tracking import WeightedAverages

ROWS = 7
HOST = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


class ThreadGroup(ProcessGroup):
    """Processes that are threads: each of the messages below waits for all of them."""

    def __init__(self, rank: int, count: int, barrier: threading.Barrier, box: dict[int, object]) -> None:
        self.rank, self.count, self.barrier, self.box = rank, count, barrier, box

    def exchange(self, value: object) -> list:
        self.box[self.rank] = value
        self.barrier.wait()
        values = [self.box[rank] for rank in range(self.count)]
        self.barrier.wait()
        return values

    def total(self, values: Tensor) -> Tensor:
        return torch.stack(self.exchange(values.detach().clone())).sum(0)

    def maxima(self, *values: float) -> tuple[float, ...]:
        return tuple(map(max, zip(*self.exchange(values), strict=True)))

    def gather(self, rows: Tensor) -> list[Tensor]:
        return self.exchange(rows.detach().clone())


def together(work: Callable[[ThreadGroup], object], count: int = 2) -> list:
    """The results of the work of each process."""
    barrier, box, results = threading.Barrier(count, timeout=20), {}, {}

    def run(rank: int) -> None:
        try:
            results[rank] = work(ThreadGroup(rank, count, barrier, box))
        except DeepglassError as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(count))
    return [results[rank] for rank in range(count)]


def split_of(processes: ProcessGroup, rows: int = ROWS) -> SplitBatch:
    return SplitBatch((RowPart(part_of_rows(rows, processes.rank, processes.count), rows),), processes)


def test_the_environment_names_the_processes() -> None:
    assert place_in_group({}) == Place(0, 1)
    assert place_in_group({"RANK": "1", "WORLD_SIZE": "2", **HOST}) == Place(1, 2)
    assert is_first_process({})
    assert not is_first_process({"RANK": "1", "WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"RANK": "one"}, "RANK: expected a whole number, got 'one'"),
        ({"RANK": "2"}, "RANK: expected 0 to 1, as WORLD_SIZE says, got 2"),
        ({"RANK": "-1"}, "RANK: expected 0 to 1"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE: expected at least 1, got 0"),
        ({"WORLD_SIZE": "2.0"}, "WORLD_SIZE: expected a whole number"),
        ({"MASTER_PORT": "99999"}, "MASTER_PORT: expected 1 to 65535"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is missing"),
    ],
)
def test_an_unreadable_environment_is_an_error(changes: dict[str, str], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        place_in_group({"RANK": "0", "WORLD_SIZE": "2", **HOST, **changes})


def test_fewer_rows_than_processes_are_an_error() -> None:
    check_rows(3, 3, 3)
    with pytest.raises(SourceError, match="2 training rows cannot be split over 3 processes"):
        check_rows(2, 2, 3)
    with pytest.raises(SpecError, match="a batch of 2 cannot be split over 3 processes"):
        check_rows(10, 2, 3)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_parts_are_the_rows_in_order(count: int) -> None:
    parts = [part_of_rows(ROWS, rank, count) for rank in range(count)]
    assert torch.cat(parts).tolist() == list(range(ROWS))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def _dataset(rows: int = 40) -> Dataset:
    present = np.ones(rows, bool)
    x = Column(np.arange(rows, dtype=np.float32), present)
    lengths = np.arange(rows) % 5
    texts = Column(np.arange(lengths.sum()), present, np.concatenate([[0], lengths.cumsum()]))
    return Dataset({"x": x, "text": texts}, {"y": x})


@pytest.mark.parametrize("count", [2, 3])
def test_processes_read_parts_of_the_same_batches(count: int) -> None:
    whole = ShuffledLoader(_dataset(), ROWS, 3)
    parts = [
        SplitLoader(ShuffledLoader(_dataset(), ROWS, 3), ThreadGroup(rank, count, None, {})) for rank in range(count)
    ]
    for _ in range(8):
        batch, own = whole.next(), [part.next() for part in parts]
        assert torch.equal(torch.cat([b.rows for b in own]), batch.rows)
        for name in ("x", "text"):  # padded alike
            assert torch.equal(torch.cat([b.inputs[name].values for b in own]), batch.inputs[name].values)
    assert parts[0].state_dict() == whole.state_dict()


def test_mixed_rows_bring_the_targets_of_their_partners() -> None:
    def loader() -> ShuffledLoader:
        data = _dataset()
        data.inputs.pop("text")
        return ShuffledLoader(data, ROWS, 3, lambda batch, generator: mixup(batch, 0.5, generator))

    batch, own = loader().next(), [SplitLoader(loader(), ThreadGroup(r, 2, None, {})).next() for r in range(2)]
    for of in (lambda b: b.mix.weight, lambda b: b.mix.targets["y"].values, lambda b: b.inputs["x"].values):
        assert torch.equal(torch.cat([of(b) for b in own]), of(batch))


PROBABILITIES = torch.rand(ROWS, 5, generator=torch.Generator().manual_seed(0)) / 5 + 0.1
IMAGES = torch.ones(ROWS, 4, 6, 6).contiguous(memory_format=torch.channels_last)
DRAWS: dict[str, Callable[[int, int], Tensor]] = {
    "rand": lambda first, end: torch.rand(end - first, 20),
    "rand size": lambda first, end: torch.rand(torch.Size((end - first, 20)), device="cpu"),
    "randn": lambda first, end: torch.randn(end - first, 20),
    "randint": lambda first, end: torch.randint(1, 9, (end - first, 20, 1)),
    "rand_like": lambda first, end: torch.rand_like(PROBABILITIES[first:end]),
    "randn_like": lambda first, end: torch.randn_like(PROBABILITIES[first:end]),
    "bernoulli": lambda first, end: torch.bernoulli(PROBABILITIES[first:end]),
    "multinomial": lambda first, end: torch.multinomial(PROBABILITIES[first:end], 1),
    "uniform_": lambda first, end: torch.empty(end - first, 9).uniform_(-1, 1),
    "members": lambda first, end: torch.rand(3 * (end - first), 4),
    "dropout": lambda first, end: F.dropout(torch.ones(end - first, 3, 11), 0.3),
    "dropout of images": lambda first, end: nn.Dropout(0.4)(IMAGES[first:end]),
    "dropout of channels": lambda first, end: nn.Dropout2d(0.4)(IMAGES[first:end]),
    "dropout by bytes": lambda first, end: Dropout(0.3)(torch.ones(end - first, 3, 11)),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("count", [2, 3])
def test_random_numbers_of_rows_do_not_depend_on_the_number_of_processes(name: str, count: int) -> None:
    draw = DRAWS[name]
    torch.manual_seed(5)
    whole, state = [draw(0, ROWS) for _ in range(2)], torch.get_rng_state()
    parts = []
    for rank in range(count):
        split = split_of(ThreadGroup(rank, count, None, {}))
        rows = split.parts[0].rows
        torch.manual_seed(5)
        with split.computed():
            parts.append([draw(int(rows[0]), int(rows[-1]) + 1) for _ in range(2)])
        assert torch.equal(torch.get_rng_state(), state)
    for i in range(2):
        assert torch.equal(torch.cat([part[i] for part in parts]), whole[i])


def test_random_numbers_that_are_not_of_rows_are_refused_or_the_same() -> None:
    split = split_of(ThreadGroup(0, 2, None, {}))
    torch.manual_seed(0)
    expected = torch.rand(100)
    torch.manual_seed(0)
    with split.computed():
        with pytest.raises(RuntimeError, match=r"of shape \(100,\) in a training step are not of 3 rows"):
            torch.rand(100)
        with whole_batch().same_draws():
            assert torch.equal(torch.rand(100), expected)


@pytest.mark.parametrize("shape", [(ROWS, 3), (ROWS, 3, 4, 5)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_has_the_statistics_and_gradients_of_the_whole_batch(shape: tuple[int, ...], affine: bool) -> None:
    torch.manual_seed(0)
    x, slopes = torch.randn(shape) * 2 + 1, torch.randn(shape)

    def normalised(rows: Tensor) -> tuple[Tensor, ...]:
        kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
        layer, part = kind(3, affine=affine), x[rows].clone().requires_grad_()
        y = layer(part)
        (y * slopes[rows]).sum().backward()
        gradients = [p.grad for p in layer.parameters()]
        return y.detach(), part.grad, layer.running_mean, layer.running_var, *gradients

    def part(processes: ThreadGroup) -> tuple[Tensor, ...]:
        split = split_of(processes)
        with split.computed():
            return normalised(split.parts[0].rows)

    whole, (a, b) = normalised(torch.arange(ROWS)), together(part)
    for i in (0, 1):  # output, gradient of the input
        assert torch.allclose(torch.cat([a[i], b[i]]), whole[i], atol=1e-6)
    for i in (2, 3):  # running averages
        assert torch.equal(a[i], b[i])
        assert torch.allclose(a[i], whole[i], atol=1e-6)
    for i in range(4, len(whole)):  # gradients of the parameters, which are summed over the processes later
        assert torch.allclose(a[i] + b[i], whole[i], atol=1e-5)


def test_means_and_gathered_rows_are_of_the_whole_batch() -> None:
    x = torch.arange(float(ROWS))
    present = torch.tensor([1, 0, 0, 1, 1, 1, 0])

    def loss(weight: Tensor, rows: Tensor) -> Tensor:
        mean = (weight * x[rows] * present[rows]).sum() / whole_batch().denominator(present[rows].sum())
        z = whole_batch().gather(weight * x[rows])
        return mean + (z[:, None] * z).mean()

    weight = torch.tensor(2.0, requires_grad=True)
    loss(weight, torch.arange(ROWS)).backward()

    def part(processes: ThreadGroup) -> Tensor:
        own, split = torch.tensor(2.0, requires_grad=True), split_of(processes)
        rows = split.parts[0].rows
        with split.computed():
            value = loss(own, rows)
        processes.back_propagate(value, [own], len(rows))
        return own.grad

    assert [float(g) for g in together(part)] == pytest.approx([float(weight.grad)] * 2)


def test_an_unused_parameter_keeps_no_gradient() -> None:
    def part(processes: ThreadGroup) -> tuple:
        used, unused = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
        processes.back_propagate((used * (1 + processes.rank)).sum(), [used, unused], 1 + 2 * processes.rank)
        return used.grad.tolist(), unused.grad

    assert together(part) == [([1.75, 1.75], None)] * 2  # (1 * 1 + 3 * 2) / 4


def test_averages_are_combined_once() -> None:
    def part(processes: ThreadGroup) -> list[float]:
        averages = WeightedAverages(torch.device("cpu"))
        means = []
        for value in (1.0, 5.0):
            averages.add("loss", value + processes.rank, 1 + processes.rank)
            averages.combine(processes)
            averages.combine(processes)
            means.append(averages.means()["loss"])
        return means

    assert together(part) == [[pytest.approx(5 / 3), pytest.approx(22 / 6)]] * 2


def test_an_error_of_one_process_is_raised_in_all_and_told_once() -> None:
    def part(processes: ThreadGroup) -> None:
        with processes.common_errors():
            if processes.rank == 1:
                raise SourceError("not-found", "no file here")

    first, second = together(part)
    assert isinstance(first, PeerError)
    assert (first.code, first.message, first.exit_code) == ("not-found", "no file here", 2)
    assert isinstance(second, SourceError)


def test_different_data_are_an_error_before_training() -> None:
    first, second = together(lambda processes: check_same(processes, {"the data": f"hash {processes.rank}"}))
    assert isinstance(first, SpecError)
    assert "the data differ between process 1 on" in first.message
    assert isinstance(second, PeerError)
    assert first.code == second.code == "mismatched-files"
