"""One-stage, anchor-free object detector on the feature maps of a trunk.

    DetectHead   maps -> `PointPredictions`: class logits and a box at each position of each map
    assign       label assignment (SimOTA)
    loss         binary cross-entropy of the classes, 1 - GIoU of the boxes
    postprocess  decoding and non-maximum suppression

Positions are relative to the image, 0 to 1 from left and top, and independent of its size in pixels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.boxes import giou, iou, nms
from deepglass.nn.tokens import Field, Tokens, TokenShape

PRIOR = 0.02  # initial probability of an object at a position, as in RetinaNet, arXiv 1708.02002
RADIUS = 2.5  # cells around a box's centre that may be assigned to it
MAX_ASSIGNED = 10  # positions per box
BOX_SCALE = 4.0  # size of the boxes that a cell is responsible for, in cells
BOX_WEIGHT = 2.0  # of the box loss
MAX_PAIRS = 4_000_000  # of boxes and positions computed at once, which bounds the memory


class PointPredictions(NamedTuple):
    """Predictions at A positions, those of the finest map first.

    Shapes:
        logits: (B, A, K) float.
        boxes: (B, A, 4) float: left, top, right, bottom as shares of the image.
        points: (B, A, 4) float: centre x and y, width and height of the cell.
    """

    logits: Tensor
    boxes: Tensor
    points: Tensor


# -- head ----------------------------------------------------------------------------------------------------------


class SeparableConv(nn.Module):
    """Depthwise-separable 3 x 3 convolution with a batch norm for each pyramid level.

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
    """Feature pyramid over the coarsest maps of a trunk and a head shared by all levels.

    Args:
        widths: channels of the trunk's maps, finest first.
        classes: K.
        dim: channels of the pyramid.
        levels: number of maps used, the coarsest ones.
        depth: separable convolutions before the classes, and as many before the boxes.

    Shapes:
        tokens with `pyramid` maps (B, widths[i], Y_i, X_i) -> `PointPredictions`.

    Source: Lin et al., 2017, arXiv 1612.03144 (pyramid); Ge et al., 2021, arXiv 2107.08430 (anchor-free, two towers).
    Ours has no objectness score and uses separable convolutions.
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
        self.to_boxes.bias = nn.Parameter(torch.tensor([0.0, 0.0, math.log(BOX_SCALE), math.log(BOX_SCALE)]))

    def forward(self, tokens: Tokens) -> PointPredictions:
        assert tokens.pyramid is not None
        finest = tokens.pyramid[0]
        maps = self._pyramid(tokens.pyramid[-len(self.laterals) :])
        parts = [self._predict(x, level, finest) for level, x in enumerate(maps)]
        return PointPredictions(*(torch.cat(part, 1) for part in zip(*parts, strict=True)))

    def _pyramid(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Top-down pathway of the pyramid, finest map first."""
        above: Tensor | None = None
        out: list[Tensor] = []
        for level in reversed(range(len(maps))):
            x = self.laterals[level](maps[level])
            if above is not None:
                x = x + F.interpolate(above, x.shape[-2:], mode="nearest")
            above = x
            out.insert(0, self.smooth(x, level))
        return out

    def _predict(self, x: Tensor, level: int, finest: Tensor) -> PointPredictions:
        B, _, Y, X = x.shape
        classes, boxes = x, x
        for conv in self.class_tower:
            classes = conv(classes, level)
        for conv in self.box_tower:
            boxes = conv(boxes, level)
        logits = self.to_logits(classes).permute(0, 2, 3, 1).reshape(B, Y * X, self.to_logits.out_channels)
        offsets = self.to_boxes(boxes).permute(0, 2, 3, 1).reshape(B, Y * X, 4).float()
        points = point_grid((Y, X), (finest.shape[-2], finest.shape[-1]), x.device)
        centre = points[:, :2] + offsets[..., :2] * points[:, 2:]
        half = offsets[..., 2:].clamp(-8, 8).exp() * points[:, 2:] / 2
        return PointPredictions(logits.float(), torch.cat([centre - half, centre + half], -1), points.expand(B, -1, -1))


def point_grid(grid: tuple[int, int], finest: tuple[int, int], device: torch.device) -> Tensor:
    """Centres and sizes of a map's cells, relative to the image.

    If a side is not a power of two times smaller than the finest one, the map extends over the border; its cells stay
    whole multiples of the finest cells.

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
    """Number of finest cells that a cell covers along one side: a power of two."""
    return int(2 ** round(math.log2(finest / side)))


# -- assignment ----------------------------------------------------------------------------------------------------


class Assignment(NamedTuple):
    """True box assigned to each position.

    Shapes:
        box: (B, A) int64, index of the box in its row; only where `assigned`.
        assigned: (B, A) bool.
        iou: (B, A) float, between the cell's box and that one; 0 elsewhere.
    """

    box: Tensor
    assigned: Tensor
    iou: Tensor


@torch.no_grad()
def assign(cells: PointPredictions, target: Field) -> Assignment:
    """Label assignment: the positions near the centre of a true box with the lowest cost.

    The cost is the current class and box loss plus a prior on the size of the map's cells. A box gets as many positions
    as the sum of its best IoUs; a position that two boxes claim gets the box of lower cost.

    Shapes:
        target: values (B, T, 5) of class and box, mask (B, T).

    Source: Ge et al., 2021, arXiv 2107.08430, section 2.4 (SimOTA). Ours adds the size of the map's cells to the cost,
    which keeps the first steps, whose predictions mean nothing, from choosing maps at random.
    """
    T, A = target.mask.shape[1], cells.boxes.shape[1]
    size = max(1, MAX_PAIRS // (T * A))  # rows at once
    chunks = zip(*(x.split(size) for x in (*cells, *target[:2])), strict=True)
    return Assignment(*map(torch.cat, zip(*(_assign(*chunk) for chunk in chunks), strict=True)))


def _assign(logits: Tensor, boxes: Tensor, points: Tensor, values: Tensor, mask: Tensor) -> Assignment:
    classes, truth = values[..., 0].long(), values[..., 1:].float()
    K = logits.shape[-1]
    centre = (truth[..., :2] + truth[..., 2:])[:, :, None] / 2  # (B, T, 1, 2)
    size = (truth[..., 2:] - truth[..., :2])[:, :, None]
    distance = ((points[:, None, :, :2] - centre) / points[:, None, :, 2:]).abs().amax(-1)  # (B, T, A), in cells
    near = (distance < RADIUS) & mask[..., None]
    scale = (size / points[:, None, :, 2:]).clamp_min(1e-6).log2().mean(-1) - math.log2(BOX_SCALE)
    overlap = torch.where(near, iou(boxes[:, None], truth[:, :, None]), 0.0)
    of_class = classes.clamp(0, K - 1)[:, None].expand(-1, logits.shape[1], -1)  # (B, A, T)
    class_cost = F.softplus(-logits).gather(2, of_class).transpose(1, 2)  # minus log p of the class
    cost = class_cost + 3 * -(overlap + 1e-3).log() + scale.abs() + 0.1 * distance
    cost = cost.masked_fill(~near, torch.inf)

    k = min(MAX_ASSIGNED, cost.shape[-1])
    counts = overlap.topk(k, -1).values.sum(-1).int().clamp_min(1)  # (B, T)
    lowest, indices = cost.topk(k, -1, largest=False)
    selected = (torch.arange(k, device=cost.device) < counts[..., None]) & lowest.isfinite()
    candidates = torch.zeros_like(near).scatter(2, indices, selected)
    box = cost.masked_fill(~candidates, torch.inf).argmin(1)  # (B, A)
    assigned = candidates.any(1)
    return Assignment(box, assigned, torch.where(assigned, overlap.gather(1, box[:, None])[:, 0], 0.0))


def loss(cells: PointPredictions, target: Field) -> Tensor:
    """Loss of each row, (B,): classes at all positions, boxes at assigned positions.

    Both are sums, divided by the mean number of assigned positions of the rows with a target. The class target is the
    IoU of the predicted box, so that the best boxes have the highest scores.

    Source: Li et al., 2020, arXiv 2006.04388 (IoU as the class target).
    """
    assignment = assign(cells, target)
    K = cells.logits.shape[-1]
    matches = target.values.gather(1, assignment.box[..., None].expand(-1, -1, 5))  # (B, A, 5)
    label = matches[..., 0].long().clamp(0, K - 1)
    scores = torch.zeros_like(cells.logits).scatter(2, label[..., None], assignment.iou[..., None])
    class_loss = F.binary_cross_entropy_with_logits(cells.logits, scores, reduction="none").sum((1, 2))
    box_loss = torch.where(assignment.assigned, 1 - giou(cells.boxes, matches[..., 1:].float()), 0.0).sum(1)
    present = target.present
    count = (assignment.assigned.sum(1) * present).sum() / present.sum().clamp_min(1)
    return (class_loss + BOX_WEIGHT * box_loss) / count.clamp_min(1)


# -- detections ----------------------------------------------------------------------------------------------------


class Detections(NamedTuple):
    """Detected boxes of each row, highest score first.

    Shapes:
        boxes: (B, S, 4) float; scores: (B, S) float; labels: (B, S) int64; mask: (B, S) bool, False = suppressed.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    mask: Tensor


def postprocess(boxes: Tensor, scores: Tensor, slots: int, nms_iou: float) -> Detections:
    """Highest-scoring boxes after non-maximum suppression.

    Twice as many candidates as `slots` are considered. No size depends on values, so that this can be exported.

    Shapes:
        boxes: (B, A, 4); scores: (B, A, K).
    """
    B, A, K = scores.shape
    candidates = min(2 * slots, A * K)
    score, index = scores.reshape(B, A * K).topk(candidates, -1)
    box = boxes.gather(1, (index // K)[..., None].expand(-1, -1, 4))
    label = index % K
    mask = nms(box, label, nms_iou)
    slots = min(slots, candidates)
    score, order = (score * mask).topk(slots, -1)
    box, label, mask = box.gather(1, order[..., None].expand(-1, -1, 4)), label.gather(1, order), mask.gather(1, order)
    return Detections(box.clamp(0, 1), score, label, mask)


# -- boxes as an input ---------------------------------------------------------------------------------------------


class BoxEncoder(nn.Module):
    """Encoder of boxes, a token each; empty rows and missing rows have learned tokens.

    Shapes:
        field: values (B, T, 5), mask (B, T), rows (B,) -> Tokens (B, T, D).
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.label = nn.Embedding(max(classes, 1), dim)
        self.position = nn.Linear(4, dim)
        self.empty = nn.Parameter(torch.zeros(dim))
        self.missing = nn.Parameter(torch.zeros(dim))
        self.shape = TokenShape(None)

    def forward(self, field: Field) -> Tokens:
        values = field.values.float()
        label = values[..., 0].long().clamp(0, self.label.num_embeddings - 1)
        x = self.label(label) + self.position(values[..., 1:])
        default = torch.where(field.present[:, None], self.empty, self.missing)[:, None]  # (B, 1, D)
        mask = field.mask.clone()
        mask[:, 0] |= ~field.mask.any(1)
        return Tokens(torch.where(field.mask[..., None], x, default), mask)
