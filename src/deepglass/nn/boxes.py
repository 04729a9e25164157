"""Box operations: IoU, GIoU, non-maximum suppression and affine maps.

A box is (left, top, right, bottom), relative to the image, from 0 to 1.
"""

import torch
from torch import Tensor


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union (IoU) of broadcastable boxes, (..., 4) -> (...)."""
    return _overlap(a, b)[0]


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU: IoU minus the share of the enclosing box that neither covers, from -1 to 1.

    Source: Rezatofighi et al., 2019, arXiv 1902.09630, algorithm 1.
    """
    shared, union = _overlap(a, b)
    sides = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull = sides.prod(-1).clamp_min(1e-9)
    return shared - (hull - union) / hull


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and the union."""
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0)
    both = sides.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both
    return both / union.clamp_min(1e-9), union


def warp_boxes(boxes: Tensor, affine: Tensor, visible: float) -> tuple[Tensor, Tensor]:
    """Axis-aligned hulls of affinely mapped boxes, clipped to the image, and whether enough remains visible.

    Args:
        affine: from output to input positions, both from -1 to 1, as in `nn.warp.Warp`.
        visible: smallest remaining share of the hull's area.

    Shapes:
        boxes: (B, T, 4); affine: (B, 2, 3) -> (B, T, 4), and (B, T) bool.
    """
    corners = boxes[..., [0, 1, 2, 1, 0, 3, 2, 3]].unflatten(-1, (4, 2)) * 2 - 1  # (B, T, 4, 2) of x, y
    inverse = torch.linalg.inv(affine[:, :, :2].float())[:, None, None]  # (B, 1, 1, 2, 2)
    mapped = ((inverse @ (corners.float() - affine[:, None, None, :, 2])[..., None])[..., 0] + 1) / 2
    hull = torch.cat([mapped.amin(2), mapped.amax(2)], -1)
    clipped = hull.clamp(0, 1)
    area, visible_area = ((x[..., 2:] - x[..., :2]).prod(-1) for x in (hull, clipped))
    return clipped, visible_area > visible * area.clamp_min(1e-12)


def nms(boxes: Tensor, labels: Tensor, nms_iou: float, rounds: int = 12) -> Tensor:
    """Non-maximum suppression (NMS) of boxes sorted by score: mask of the boxes that remain.

    A box is suppressed by a remaining box before it of the same class with an IoU above `nms_iou`. Iterated for all
    boxes at once until nothing changes, which needs at most `rounds` for chains of that length.

    Shapes:
        boxes: (B, S, 4); labels: (B, S) -> (B, S) bool.

    Source: Zheng et al., 2021, arXiv 2005.03572, algorithm 2 (Cluster-NMS), equal to the greedy kind.
    """
    S = boxes.shape[1]
    before = torch.ones(S, S, dtype=torch.bool, device=boxes.device).triu(1)  # [i, j]: i comes before j
    rivals = (iou(boxes[:, :, None], boxes[:, None]) > nms_iou) & (labels[:, :, None] == labels[:, None]) & before
    against = rivals.to(boxes.dtype)
    stays = torch.ones(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    for _ in range(rounds):
        stays = (stays.to(boxes.dtype)[:, None] @ against)[:, 0] == 0
    return stays
