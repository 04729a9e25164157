"""How training ended, from the validation loss: it overfits, has risen again, still falls, or has converged."""

from collections.abc import Sequence
from typing import Literal

from deepglass.formatting import finite
from deepglass.report.facts import HistoryPoint

MIN_EVALUATIONS = 5  # below which a curve says nothing
OVERFIT = 0.1  # rise of the validation loss above its minimum, as a share of it
MIN_CHANGE = 0.02  # of the loss, as a share of all that it fell; less is told as none
LAST_SHARE = 0.25  # of the steps, over which the loss still falls or not
FALLING, FLAT = 0.05, 0.01  # fall of the loss in that time, as a share of it

Ending = Literal["overfits", "rises", "falling", "converged", "unknown"]


def training_end(history: Sequence[HistoryPoint]) -> Ending:
    """What the losses say; "unknown" with too few evaluations, and where nothing of these is clear."""
    points = [e for e in history if finite(e.valid.get("loss"))]
    if len(points) < MIN_EVALUATIONS:
        return "unknown"
    losses = [e.valid["loss"] for e in points]
    best = min(range(len(points)), key=losses.__getitem__)
    train, train_last = points[best].train.get("loss"), points[-1].train.get("loss")
    learns_on = finite(train) and finite(train_last) and train_last < train  # else nothing tells why it rises
    least = MIN_CHANGE * (losses[0] - losses[best])
    if losses[-1] - losses[best] > max(OVERFIT * abs(losses[best]), least):
        return "overfits" if learns_on else "rises"
    start = points[0].step + (1 - LAST_SHARE) * (points[-1].step - points[0].step)
    before = min(loss for e, loss in zip(points, losses) if e.step <= start)
    fall = before - losses[best]
    if points[best].step > start and fall > max(FALLING * abs(before), least):
        return "falling"
    return "converged" if fall < max(FLAT * abs(before), least) else "unknown"


def is_shortened(stop_reason: str | None, history: Sequence[HistoryPoint]) -> bool:
    """Whether training ended while the network still improved: it was interrupted, or its loss still fell."""
    return stop_reason == "interrupted" or training_end(history) == "falling"
