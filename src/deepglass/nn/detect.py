"""A one-stage, anchor-free detector over the maps of a trunk: head, assignment of boxes to cells, loss, suppression.

    DetectHead  maps -> `PointPredictions`: at each place of each map, a logit a class and one box
    assign      which cells answer for which true box: those where answering costs least
    loss        binary cross-entropy of the classes, 1 - GIoU of the boxes
    postprocess   the boxes that are most likely, one of those that repeat each other

All places are shares of the picture, 0 to 1 from left and top, so that nothing here depends on its size in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.boxes import giou, iou, nms
from deepglass.nn.tokens import Field, Tokens, TokenShape

PRIOR = 0.02  # chance of any object at a cell before anything is learned (as in RetinaNet, arXiv 1708.02002)
RADIUS = 2.5  # steps of the grid around a box's centre within which cells may answer for it
NEAREST = 10  # cells at most that answer for a box
REACH = 4.0  # a cell is meant for boxes of about so many times its own size
BOX_WEIGHT = 2.0  # of the boxes' loss beside the classes'
PAIRS = 4_000_000  # of boxes and cells that are looked at in one go, which bounds the memory


class PointPredictions(NamedTuple):
    """What the head says at each of A cells, those of the finest map first.

    Shapes:
        logits: (B, A, K) float.
        boxes: (B, A, 4) float: left, top, right, bottom as shares of the picture.
        places: (B, A, 4) float: centre x and y, width and height of the cell itself.
    """

    logits: Tensor
    boxes: Tensor
    places: Tensor


# -- head ----------------------------------------------------------------------------------------------------------


class SeparableConv(nn.Module):
    """A 3 x 3 filter of each channel alone, then a mixing of the channels; a norm for each map that it is used on.

    Shapes:
        x: (B, dim, Y, X) -> (B, out_dim, Y, X).

    Source: Howard et al., 2017, arXiv 1704.04861; one norm a map as in Lyu et al., 2022, arXiv 2212.07784.
    """

    def __init__(self, dim: int, out_dim: int, maps: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.pointwise = nn.Conv2d(dim, out_dim, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(out_dim) for _ in range(maps))
        self.activation = make_activation("silu")

    def forward(self, x: Tensor, level: int) -> Tensor:
        return self.activation(self.norms[level](self.pointwise(self.depthwise(x))))


class DetectHead(nn.Module):
    """A feature pyramid over the coarsest maps of a trunk, and one light head that all of its levels share.

    Args:
        widths: channels of the trunk's maps, finest first.
        classes: K.
        dim: channels of the pyramid.
        levels: how many of the maps are used, the coarsest ones.
        depth: separable convolutions before the classes, and as many before the boxes.

    Shapes:
        tokens with `pyramid` maps (B, widths[i], Y_i, X_i) -> `PointPredictions`.

    Source: Lin et al., 2017, arXiv 1612.03144 (pyramid); Ge et al., 2021, arXiv 2107.08430 (anchor-free, two towers).
    Ours has no score for an object beside those of the classes, and separable convolutions.
    """

    def __init__(self, widths: Sequence[int], classes: int, *, dim: int = 64, levels: int = 3, depth: int = 2) -> None:
        super().__init__()
        used = list(widths)[-levels:]
        count = len(used)
        self.laterals = nn.ModuleList(nn.Conv2d(width, dim, 1) for width in used)
        self.smooth = SeparableConv(dim, dim, count)
        self.class_tower = nn.ModuleList(SeparableConv(dim, dim, count) for _ in range(depth))
        self.box_tower = nn.ModuleList(SeparableConv(dim, dim, count) for _ in range(depth))
        self.to_logits = nn.Conv2d(dim, classes, 1)
        self.to_boxes = nn.Conv2d(dim, 4, 1)
        nn.init.normal_(self.to_logits.weight, std=0.01)
        nn.init.normal_(self.to_boxes.weight, std=0.01)
        self.to_logits.bias = nn.Parameter(torch.full((classes,), math.log(PRIOR / classes)))
        self.to_boxes.bias = nn.Parameter(torch.tensor([0.0, 0.0, math.log(REACH), math.log(REACH)]))

    def forward(self, tokens: Tokens) -> PointPredictions:
        assert tokens.pyramid is not None
        finest = tokens.pyramid[0]
        maps = self._pyramid(tokens.pyramid[-len(self.laterals) :])
        parts = [self._look(x, level, finest) for level, x in enumerate(maps)]
        return PointPredictions(*(torch.cat(part, 1) for part in zip(*parts, strict=True)))

    def _pyramid(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Each map with what the coarser ones know, finest first."""
        above: Tensor | None = None
        out: list[Tensor] = []
        for level in reversed(range(len(maps))):
            x = self.laterals[level](maps[level])
            if above is not None:
                x = x + F.interpolate(above, x.shape[-2:], mode="nearest")
            above = x
            out.insert(0, self.smooth(x, level))
        return out

    def _look(self, x: Tensor, level: int, finest: Tensor) -> PointPredictions:
        B, _, Y, X = x.shape
        classes, boxes = x, x
        for conv in self.class_tower:
            classes = conv(classes, level)
        for conv in self.box_tower:
            boxes = conv(boxes, level)
        logits = self.to_logits(classes).permute(0, 2, 3, 1).reshape(B, Y * X, self.to_logits.out_channels)
        offsets = self.to_boxes(boxes).permute(0, 2, 3, 1).reshape(B, Y * X, 4).float()
        places = point_grid((Y, X), (finest.shape[-2], finest.shape[-1]), x.device)
        centre = places[:, :2] + offsets[..., :2] * places[:, 2:]
        half = offsets[..., 2:].clamp(-8, 8).exp() * places[:, 2:] / 2
        return PointPredictions(logits.float(), torch.cat([centre - half, centre + half], -1), places.expand(B, -1, -1))


def point_grid(grid: tuple[int, int], finest: tuple[int, int], device: torch.device) -> Tensor:
    """Centre and size of a map's cells, as shares of the picture.

    A map whose side is not a power of two times smaller than the finest one hangs over the border a little; its cells
    are still so many whole cells of the finest map wide.

    Shapes:
        returns: (Y * X, 4) float.
    """
    rows, columns = (_steps(side, fine) / fine for side, fine in zip(grid, finest, strict=True))
    y = (torch.arange(grid[0], device=device) + 0.5) * rows
    x = (torch.arange(grid[1], device=device) + 0.5) * columns
    y, x = torch.meshgrid(y, x, indexing="ij")
    size = [torch.full_like(x, columns), torch.full_like(y, rows)]
    return torch.stack([x, y, *size], -1).view(-1, 4)


def _steps(side: int, finest: int) -> int:
    """How many cells of the finest map a cell covers: a power of two."""
    return int(2 ** round(math.log2(finest / side)))


# -- assignment ----------------------------------------------------------------------------------------------------


class Assignment(NamedTuple):
    """Which true box each cell answers for.

    Shapes:
        box: (B, A) int64, the box's place in its row; where `found`.
        found: (B, A) bool.
        iou: (B, A) float, between the cell's box and that one; 0 elsewhere.
    """

    box: Tensor
    found: Tensor
    iou: Tensor


@torch.no_grad()
def assign(cells: PointPredictions, target: Field) -> Assignment:
    """The cells that answer for each true box: near its centre, and where that costs least.

    The cost is that of class and overlap as predicted so far, and of a map that is meant for another size; a box gets
    as many cells as the overlaps of its best ones sum to. A cell that two boxes want goes to the cheaper.

    Shapes:
        target: values (B, T, 5) of class and box, mask (B, T).

    Source: Ge et al., 2021, arXiv 2107.08430, section 2.4 (SimOTA). Ours adds the size of the map's cells to the cost,
    which keeps the first steps, whose predictions mean nothing, from choosing maps at random.
    """
    T, A = target.mask.shape[1], cells.boxes.shape[1]
    at_once = max(1, PAIRS // (T * A))
    rows = max(len(target.mask), 1)
    parts = [_assign(*(x[i : i + at_once] for x in (*cells, *target[:2]))) for i in range(0, rows, at_once)]
    return parts[0] if len(parts) == 1 else Assignment(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _assign(logits: Tensor, boxes: Tensor, places: Tensor, values: Tensor, mask: Tensor) -> Assignment:
    classes, truth = values[..., 0].long(), values[..., 1:].float()
    K = logits.shape[-1]
    centre = (truth[..., :2] + truth[..., 2:])[:, :, None] / 2  # (B, T, 1, 2)
    size = (truth[..., 2:] - truth[..., :2])[:, :, None]
    away = ((places[:, None, :, :2] - centre) / places[:, None, :, 2:]).abs().amax(-1)  # (B, T, A), in cells
    near = (away < RADIUS) & mask[..., None]
    scale = (size / places[:, None, :, 2:]).clamp_min(1e-6).log2().mean(-1) - math.log2(REACH)
    overlap = torch.where(near, iou(boxes[:, None], truth[:, :, None]), 0.0)
    of_class = classes.clamp(0, K - 1)[:, None].expand(-1, logits.shape[1], -1)  # (B, A, T)
    unlikely = F.softplus(-logits).gather(2, of_class).transpose(1, 2)  # minus the log of the class's probability
    cost = unlikely + 3 * -(overlap + 1e-3).log() + scale.abs() + 0.1 * away
    cost = cost.masked_fill(~near, torch.inf)

    most = min(NEAREST, cost.shape[-1])
    counts = overlap.topk(most, -1).values.sum(-1).int().clamp_min(1)  # (B, T)
    cheapest, where = cost.topk(most, -1, largest=False)
    taken = (torch.arange(most, device=cost.device) < counts[..., None]) & cheapest.isfinite()
    wanted = torch.zeros_like(near).scatter(2, where, taken)
    box = cost.masked_fill(~wanted, torch.inf).argmin(1)  # (B, A)
    found = wanted.any(1)
    return Assignment(box, found, torch.where(found, overlap.gather(1, box[:, None])[:, 0], 0.0))


def loss(cells: PointPredictions, target: Field) -> Tensor:
    """The loss of each row, (B,): classes at all cells, boxes at those that answer for one.

    Both are sums, divided by the mean number of cells that answer in the rows of the batch that are known. A class is
    to be as likely as its cell's box overlaps the truth, so that the best boxes come first.

    Source: Li et al., 2020, arXiv 2006.04388 (the overlap as the class's target).
    """
    assigned = assign(cells, target)
    K = cells.logits.shape[-1]
    chosen = target.values.gather(1, assigned.box[..., None].expand(-1, -1, 5))  # (B, A, 5)
    label = chosen[..., 0].long().clamp(0, K - 1)
    wanted = torch.zeros_like(cells.logits).scatter(2, label[..., None], assigned.iou[..., None])
    classes = F.binary_cross_entropy_with_logits(cells.logits, wanted, reduction="none").sum((1, 2))
    off = torch.where(assigned.found, 1 - giou(cells.boxes, chosen[..., 1:].float()), 0.0).sum(1)
    known = target.known
    count = (assigned.found.sum(1) * known).sum() / known.sum().clamp_min(1)
    return (classes + BOX_WEIGHT * off) / count.clamp_min(1)


# -- the answer ----------------------------------------------------------------------------------------------------


class Detections(NamedTuple):
    """The postprocess boxes of each row, most likely first.

    Shapes:
        boxes: (B, S, 4) float; scores: (B, S) float; labels: (B, S) int64; mask: (B, S) bool, False = suppressed.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    mask: Tensor


def postprocess(boxes: Tensor, scores: Tensor, slots: int, overlap: float) -> Detections:
    """The postprocess boxes, those that repeat a likelier one of their class suppressed.

    Twice as many as are asked for are looked at. No size depends on the values, so this can be exported.

    Shapes:
        boxes: (B, A, 4); scores: (B, A, K).
    """
    B, A, K = scores.shape
    several = min(2 * slots, A * K)
    score, place = scores.reshape(B, A * K).topk(several, -1)
    box = boxes.gather(1, (place // K)[..., None].expand(-1, -1, 4))
    label = place % K
    mask = nms(box, label, overlap)
    slots = min(slots, several)
    score, order = (score * mask).topk(slots, -1)
    box, label, mask = box.gather(1, order[..., None].expand(-1, -1, 4)), label.gather(1, order), mask.gather(1, order)
    return Detections(box.clamp(0, 1), score, label, mask)


# -- boxes as an input ---------------------------------------------------------------------------------------------


class BoxEncoder(nn.Module):
    """Boxes to tokens, one each; a row without any, and one of which nothing is known, have a learned token each.

    Shapes:
        field: values (B, T, 5), mask (B, T), rows (B,) -> Tokens (B, T, D).
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.label = nn.Embedding(max(classes, 1), dim)
        self.place = nn.Linear(4, dim)
        self.nothing = nn.Parameter(torch.zeros(dim))
        self.missing = nn.Parameter(torch.zeros(dim))
        self.shape = TokenShape(None)

    def forward(self, field: Field) -> Tokens:
        values = field.values.float()
        label = values[..., 0].long().clamp(0, self.label.num_embeddings - 1)
        x = self.label(label) + self.place(values[..., 1:])
        known = field.known if field.rows is not None else field.mask.any(1)
        instead = torch.where(known[:, None], self.nothing, self.missing)[:, None]  # (B, 1, D)
        mask = field.mask.clone()
        mask[:, 0] |= ~field.mask.any(1)
        return Tokens(torch.where(field.mask[..., None], x, instead), mask)
