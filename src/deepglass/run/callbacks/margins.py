"""By how much each row's given class led or trailed the others as a network learned: the area under the margin.

A wrong label is learned against all that its like teach, so its row trails for long. The margins are read off as rows
pass in training, so they cost no pass of their own, and eight bytes a row and answer.

Source: Pleiss et al., 2020, arXiv 2001.10528, equation 1. Ours takes the mean over the whole run, and of an ensemble
the mean over its members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from deepglass.data.batches import Batch, Loader
from deepglass.data.table import Table
from deepglass.features.outputs.base import Prediction
from deepglass.networks.network import Network
from deepglass.objectives.base import Objective
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.sources import fingerprint_of
from deepglass.run.folder import Folder
from deepglass.training.checkpoint import write_atomic

LARGEST = float(np.finfo(np.float16).max)  # a run that goes astray has larger ones
FILE = "margins.safetensors"


class MarginLoader(Loader):
    """A loader of batches whose rows' margins are added up as they pass through the network.

    The sums belong to the loader's tensors: checkpoints keep them, and what is put back after a loss that is not finite
    is put back with them. Draws no random number and changes no weight.

    Args:
        loader: of the batches.
        network: which answers them.
        count: rows that the batches are drawn from.
    """

    def __init__(self, loader: Loader, network: Network, count: int) -> None:
        self.loader, self.network = loader, network
        self.batch: Batch | None = None
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

    def hear(self, network: Network, _: object, params: Mapping[str, Any]) -> None:
        """What the network answers, as a forward hook; evaluations are passed over."""
        if self.batch is None or not network.training:
            return
        with torch.no_grad():
            for name in self.sums:
                target = self.batch.targets[name]
                rows = self.batch.rows[target.present]
                answer = network.features[name].prediction(params[name])
                led = margin(answer, target.values.reshape(-1).long() - 1, network.ensemble_size)[target.present]
                self.sums[name][rows] += led
                self.counts[name][rows] += 1

    def means(self) -> dict[str, np.ndarray]:
        """Output name -> the mean margin of each row, (N,) float32; NaN for rows that were never seen."""
        return {n: (self.sums[n] / self.counts[n]).cpu().numpy() for n in self.sums}


def margin(answer: Prediction, labels: Tensor, members: int) -> Tensor:
    """The log odds of the given class against the likeliest other, (B,); of `members` answers a row their mean.

    Args:
        labels: (B,) int64 from 0; -1 where there is none, whose margin means nothing.
    """
    log_probs = answer.mode()["log_probs"]  # (B * members, K)
    given = labels.clamp_min(0).repeat_interleave(members)[:, None]
    own = log_probs.gather(1, given)[:, 0]
    other = log_probs.scatter(1, given, -torch.inf).amax(1)
    return (own - other).reshape(-1, members).mean(1)


@contextmanager
def record_margins(loader: Loader, objective: Objective, count: int, folder: Path) -> Iterator[Loader]:
    """The loader, its rows' margins kept in the run's folder in the end; for kinds of learning that know no classes,
    the loader as it is.

    Args:
        count: rows of the training part.
    """
    if type(objective) is not Supervised or not any(f.has_classes for f in objective.network.features.values()):
        yield loader
        return
    margins = MarginLoader(loader, objective.network, count)
    hook = objective.network.register_forward_hook(margins.hear)
    try:
        yield margins
    finally:
        hook.remove()
    write_atomic(
        folder / FILE, save({n: np.clip(m, -LARGEST, LARGEST).astype(np.float16) for n, m in margins.means().items()})
    )


def read_margins(folder: Folder, count: int, places: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Output name -> the mean margin of each row as a run learned, (`count`,) float32; empty where none were kept.

    NaN for rows that it did not learn from.

    Args:
        places: where each row that the run used stands among the `count`; None: where it stands in the source.
    """
    try:
        arrays = load_file(folder.path / FILE)
    except (FileNotFoundError, SafetensorError):
        return {}
    split = folder.split()
    places = split["row"].to_numpy() if places is None else places
    train = places[split["split"].to_numpy() == "train"]
    margins = {}
    for name, means in arrays.items():
        margins[name] = np.full(count, np.nan, np.float32)
        margins[name][train] = means
    return margins


def margins_for_table(folder: Folder, table: Table) -> dict[str, np.ndarray]:
    """The same for a source's rows, where it is the run's own."""
    own = fingerprint_of(table) == folder.state().source["fingerprint"]
    return read_margins(folder, len(table)) if own else {}
