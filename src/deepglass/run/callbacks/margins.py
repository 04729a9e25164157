"""Area under the margin: the mean margin of each training row's label over training, low for wrong labels.

The margins are computed from the forward passes of training; they take eight bytes per row and output.

Source: Pleiss et al., 2020, arXiv 2001.10528, equation 1. Ours averages over the whole run and over ensemble members.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from deepglass.data.batches import Batch, Loader
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.failures import warn_of_failure
from deepglass.features.outputs.base import Prediction
from deepglass.files import read_file, write_file
from deepglass.networks.network import Network
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.sources import fingerprint_of
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.run.storage.stored_files import RunState

MAX_MARGIN = float(np.finfo(np.float16).max)  # exceeded when a run diverges
FILE = "margins.safetensors"


class MarginLoader(Loader):
    """A loader that sums the margins of its rows as they pass through the network.

    The sums are part of the loader's state, and so of checkpoints. Draws no random numbers and changes no weights.
    Where a margin cannot be computed, none is from then on.

    Args:
        count: number of training rows.

    Attributes:
        failure: the warning of that.
    """

    def __init__(self, loader: Loader, network: Network, count: int) -> None:
        self.loader, self.network = loader, network
        self.batch: Batch | None = None
        self.failure = ""
        self.batches_per_epoch = loader.batches_per_epoch
        device = next(network.parameters()).device
        names = [n for n, f in network.features.items() if f.has_classes]
        self.sums = {n: torch.zeros(count, device=device) for n in names}
        self.counts = {n: torch.zeros(count, dtype=torch.int32, device=device) for n in names}

    def next(self) -> Batch:
        self.batch = batch = self.loader.next()
        return batch

    def state_dict(self) -> dict[str, Any]:
        own = {f"margin.{n}": t.clone() for n, t in self.sums.items()}
        return {**self.loader.state_dict(), **own, **{f"seen.{n}": t.clone() for n, t in self.counts.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.loader.load_state_dict(state)
        for name in self.sums:
            self.sums[name].copy_(state[f"margin.{name}"])
            self.counts[name].copy_(state[f"seen.{name}"])

    def add_margins(self, network: Network, _: object, params: Mapping[str, Any]) -> None:
        """Forward hook of the network; does nothing in evaluation mode."""
        if self.batch is None or not network.training or self.failure:
            return
        try:
            self._add(network, self.batch, params)
        except Exception as error:
            self.failure = warn_of_failure(error, "the margins of training rows are not recorded", stores=False)

    def _add(self, network: Network, batch: Batch, params: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name in self.sums:
                target = batch.targets[name]
                rows = batch.rows[target.present]
                prediction = network.features[name].prediction(params[name])
                labels = target.values.reshape(-1).long() - 1
                self.sums[name][rows] += margin(prediction, labels, network.ensemble_size)[target.present]
                self.counts[name][rows] += 1

    def means(self) -> dict[str, np.ndarray]:
        """Output name -> mean margin of each row, (N,) float32; NaN for rows without a forward pass."""
        return {n: (self.sums[n] / self.counts[n]).cpu().numpy() for n in self.sums}


def margin(prediction: Prediction, labels: Tensor, members: int) -> Tensor:
    """Log odds of the label against the most probable other class, (B,); the mean over ensemble members.

    Args:
        labels: (B,) int64 from 0; -1 for no label, whose margin is undefined.
    """
    log_probs = prediction.mode()["log_probs"]  # (B * members, K)
    index = labels.clamp_min(0).repeat_interleave(members)[:, None]
    own = log_probs.gather(1, index)[:, 0]
    other = log_probs.scatter(1, index, -torch.inf).amax(1)
    return (own - other).reshape(-1, members).mean(1)


@contextmanager
def record_margins(loader: Loader, context: RunContext, count: int) -> Iterator[Loader]:
    """Record margins of supervised runs with classes, and write them to the run folder at the end of the block.

    Args:
        count: number of training rows; 0 to record none.

    Yields:
        The loader to train with.
    """
    objective = context.objective
    records = context.experiment.spec.training.record and count > 0 and type(objective) is Supervised
    if not records or not any(f.has_classes for f in objective.network.features.values()):
        yield loader
        return
    margins = MarginLoader(loader, objective.network, count)
    with objective.network.register_forward_hook(margins.add_margins):
        yield margins
    if margins.failure:
        return
    means = {n: np.clip(m, -MAX_MARGIN, MAX_MARGIN).astype(np.float16) for n, m in margins.means().items()}
    write_file(context.path / FILE, save(means))


def read_margins(folder: Folder, count: int, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Output name -> mean margin of each row, (`count`,) float32, NaN for other than training rows; {} without any.

    Args:
        rows: indices of the run's rows in the result; None: their indices in the source.

    Raises:
        SourceError: `damaged-run`, `unreadable-file`.
    """
    where = f"{folder.path.name}/{FILE}"
    paths = folder.files.recorded(FILE)
    if not paths:
        return {}
    try:
        arrays = load(read_file(paths[0], where))
    except SafetensorError as error:
        raise SourceError("unreadable-file", f"{where}: damaged ({error})") from error
    split = folder.split()
    rows = split["row"].to_numpy() if rows is None else rows
    train = rows[split["split"].to_numpy() == "train"]
    margins = {name: np.full(count, np.nan, np.float32) for name in arrays}
    for name, means in arrays.items():
        if means.shape != train.shape:
            raise SourceError("unreadable-file", f"{where}: damaged ({means.shape} margins, {len(train)} rows)")
        margins[name][train] = means
    return margins


def margins_for_table(folder: Folder, table: Table, state: RunState) -> dict[str, np.ndarray]:
    """Mean margins of the rows of a table; {} if it is not the run's source."""
    own = fingerprint_of(table) == state.source["fingerprint"]
    return read_margins(folder, len(table)) if own else {}
