"""Speed of image augmentation compared with kornia: the same operations, alternating in one run.

    python benchmarks/augment.py                 # one thread
    python benchmarks/augment.py --threads 2

Both take uint8 images and return floats: rotation up to 10 degrees, shift up to 10 %, scale up to 10 %, flips of half
the rows, noise of a tenth of the standard deviation. kornia is optional: without it only our times are printed. To
install it without its dependencies: `pip install --no-deps kornia kornia-rs`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from deepglass.data.augment import Augment
from deepglass.data.batches import Batch
from deepglass.data.mixup import mixup
from deepglass.nn.tokens import Field

try:
    from kornia import __version__ as version
    from kornia import augmentation as theirs
except ImportError:
    theirs, version = None, "not installed: pip install --no-deps kornia kornia-rs"

SIZES = [(128, 3, 32, 32), (16, 3, 192, 256)]
ROUNDS = 15

Operation = Callable[[Tensor], Tensor]


def main(threads: int, rounds: int) -> None:
    torch.set_num_threads(threads)
    print(f"{threads} thread(s), torch {torch.__version__}, kornia {version}; medians of {rounds} rounds\n")
    print(f"{'operations':34} {'batch':>18} {'deepglass':>10} {'kornia':>10} {'ratio':>6}")
    for size in SIZES:
        batch = torch.randint(0, 256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        for name, (ours, other) in operations().items():
            times = _in_turn([ours, other] if other else [ours], batch, rounds)
            beside = f"{times[1]:8.2f}ms {times[0] / times[1]:6.2f}" if other else f"{'-':>10} {'-':>6}"
            print(f"{name:34} {'x'.join(map(str, size)):>18} {times[0]:8.2f}ms {beside}", flush=True)


def operations() -> dict[str, tuple[Operation, Operation | None]]:
    """Name -> our operation and kornia's, None without kornia."""
    generator = torch.Generator().manual_seed(0)
    ours = {
        "affine, mirror, noise": Augment(rotate=10, shift=0.1, scale=0.1, flip=True, noise=0.1),
        "affine, mirror": Augment(rotate=10, shift=0.1, scale=0.1, flip=True),
        "mirror": Augment(flip=True),
        "crop": Augment(crop=0.5),
        "colour": Augment(color_jitter=0.2),
        "cut-out": Augment(random_erasing=0.25),
    }
    pairs: dict[str, tuple[Operation, Operation | None]] = {}
    for name, augment in ours.items():
        pairs[name] = (lambda x, augment=augment: augment(x, generator).float()), _kornia(name)
    pairs["mixup"] = (lambda x: _mixed(x, generator)), _kornia("mixup")
    return pairs


def _mixed(x: Tensor, generator: torch.Generator) -> Tensor:
    rows = torch.arange(len(x))
    batch = Batch({"x": Field(x, torch.ones(len(x), dtype=torch.bool))}, {}, rows)
    return mixup(batch, 0.2, generator).inputs["x"].values


def _kornia(name: str) -> Operation | None:
    if theirs is None:
        return None
    affine = theirs.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), padding_mode="border", p=1.0)
    mirror = theirs.RandomHorizontalFlip(p=0.5)
    noise = theirs.RandomGaussianNoise(0.0, 0.025, p=1.0)
    steps = {
        "affine, mirror, noise": [affine, mirror, noise],
        "affine, mirror": [affine, mirror],
        "mirror": [mirror],
        "crop": None,  # needs the image size: below
        "colour": [theirs.ColorJitter(0.2, 0.2, 0.2, 0.05, p=1.0)],
        "cut-out": [theirs.RandomErasing((0.06, 0.0625), (1.0, 1.0), p=1.0)],
        "mixup": [theirs.RandomMixUpV2(data_keys=["input"], p=1.0)],
    }[name]

    def change(x: Tensor) -> Tensor:
        x = x.float() / 255
        if steps is None:
            return theirs.RandomResizedCrop((x.shape[-2], x.shape[-1]), (0.5, 1.0), p=1.0)(x)
        for step in steps:
            x = step(x)
        return x

    return change


def _in_turn(changes: list[Operation], batch: Tensor, rounds: int) -> list[float]:
    """The median time of each in milliseconds; they alternate in each round, so that other load affects both."""
    times: list[list[float]] = [[] for _ in changes]
    for i in range(rounds + 2):  # two to warm up
        for change, taken in zip(changes, times, strict=True):
            start = time.perf_counter()
            change(batch)
            if i >= 2:
                taken.append(1e3 * (time.perf_counter() - start))
    return [median(t) for t in times]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Speed of image augmentation compared with kornia.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    main(arguments.threads, arguments.rounds)
