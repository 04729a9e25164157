"""Parts of the detector: IoU, assignment, non-maximum suppression, transformed boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepglass.data.augment import Augment
from deepglass.metrics import detection
from deepglass.nn import boxes as shapes
from deepglass.nn import detect
from deepglass.nn.detect import DetectHead
from deepglass.nn.tokens import Field, Tokens
from deepglass.nn.warp import warp


def _boxes(generator: torch.Generator, *shape: int) -> torch.Tensor:
    centre, half = torch.rand(*shape, 2, generator=generator), 0.02 + 0.2 * torch.rand(*shape, 2, generator=generator)
    return torch.cat([centre - half, centre + half], -1)


def _head(classes: int = 3) -> DetectHead:
    torch.manual_seed(0)
    return DetectHead([8, 8, 16, 32], classes, dim=16)


def _tokens(rows: int) -> Tokens:
    sides = ((12, 16), (6, 8), (3, 4), (2, 2))  # the last one hangs over the border
    maps = tuple(torch.randn(rows, dim, *side) for dim, side in zip((8, 8, 16, 32), sides, strict=True))
    return Tokens(torch.randn(rows, 1, 32), torch.ones(rows, 1, dtype=torch.bool), None, maps)


def _target(rows: int) -> Field:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(4) < torch.tensor([i % 5 for i in range(rows)])[:, None]
    classes = torch.randint(3, (rows, 4, 1), generator=generator)
    values = torch.cat([classes.float(), _boxes(generator, rows, 4)], -1) * mask[..., None]
    return Field(values, mask, torch.ones(rows, dtype=torch.bool))


def test_overlap_agrees_with_numpy() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = _boxes(generator, 20), _boxes(generator, 30)
    np.testing.assert_allclose(shapes.iou(a[:, None], b[None]), detection.iou(a.numpy(), b.numpy()), atol=1e-6)


def test_giou_of_disjoint_boxes_decreases_with_distance() -> None:
    a = torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert shapes.giou(a, a).item() == pytest.approx(1)
    assert shapes.giou(a, a + torch.tensor([2.0, 0.0, 2.0, 0.0])).item() == pytest.approx(
        -1 / 3
    )  # a hull of 3, one empty


def test_cell_centres_agree_with_the_feature_maps() -> None:
    cells = detect.point_grid((3, 4), (12, 16), torch.device("cpu"))
    torch.testing.assert_close(cells[0], torch.tensor([0.125, 1 / 6, 0.25, 1 / 3]))
    hanging = detect.point_grid((2, 2), (12, 16), torch.device("cpu"))  # cells of 8 x 8: the lower ones hang over
    torch.testing.assert_close(hanging[-1], torch.tensor([0.75, 1.0, 0.5, 2 / 3]))


def test_each_box_has_cells_near_its_centre() -> None:
    cells, target = _head()(_tokens(8)), _target(8)
    assigned = detect.assign(cells, target)
    for row in range(8):
        mine = assigned.box[row][assigned.assigned[row]]
        assert set(mine.tolist()) == set(range(int(target.mask[row].sum())))
        boxes = target.values[row, mine, 1:]
        places = cells.points[row][assigned.assigned[row]]
        away = (places[:, :2] - (boxes[:, :2] + boxes[:, 2:]) / 2).abs() / places[:, 2:]
        assert (away < detect.RADIUS).all()


def test_assignment_in_chunks_gives_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, target = _head()(_tokens(8)), _target(8)
    whole = detect.assign(cells, target)
    monkeypatch.setattr(detect, "MAX_PAIRS", 1)
    for a, b in zip(whole, detect.assign(cells, target), strict=True):
        assert torch.equal(a, b)


def test_loss_has_gradients_and_decreases_with_better_predictions() -> None:
    head, tokens, target = _head(), _tokens(6), _target(6)
    optimizer = torch.optim.Adam(head.parameters(), 0.01)
    first = detect.loss(head(tokens), target).mean()
    for _ in range(60):
        optimizer.zero_grad()
        loss = detect.loss(head(tokens), target).mean()
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in head.parameters())
        optimizer.step()
    assert loss < first / 2


def test_empty_images_have_a_loss_and_unlabelled_ones_do_not() -> None:
    cells = _head()(_tokens(3))
    mask = torch.tensor([[True], [False], [False]])
    values = torch.tensor([0.0, 0.2, 0.2, 0.6, 0.7]).view(1, 1, 5) * mask[..., None]
    both = detect.loss(cells, Field(values, mask, torch.tensor([True, True, True])))
    one = detect.loss(cells, Field(values, mask, torch.tensor([True, True, False])))
    assert both[1] > 0
    # the same cells are assigned to two labelled rows instead of three
    torch.testing.assert_close(one[:2].sum() / 2, both[:2].sum() / 3)


def test_a_batch_may_be_empty() -> None:
    cells = _head().eval()(_tokens(0))
    target = Field(torch.zeros(0, 1, 5), torch.zeros(0, 1, dtype=torch.bool), torch.zeros(0, dtype=torch.bool))
    assert detect.loss(cells, target).shape == (0,)
    assert detect.postprocess(cells.boxes, cells.logits, 10, 0.5).boxes.shape == (0, 10, 4)


def test_suppression_agrees_with_greedy_nms() -> None:
    generator = torch.Generator().manual_seed(2)
    boxes, labels = _boxes(generator, 4, 60), torch.randint(2, (4, 60), generator=generator)
    kept = shapes.nms(boxes, labels, 0.1)
    assert 0.2 < kept.float().mean() < 0.8
    for row in range(4):
        stays: list[int] = []
        for i in range(60):
            rivals = [j for j in stays if labels[row, j] == labels[row, i]]
            if all(shapes.iou(boxes[row, i], boxes[row, j]) <= 0.1 for j in rivals):
                stays.append(i)
        assert kept[row].nonzero()[:, 0].tolist() == stays


def test_predictions_have_fixed_slots_and_export_for_any_batch_size() -> None:
    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = _head()

        def forward(self, *maps: torch.Tensor) -> tuple[torch.Tensor, ...]:
            values = maps[-1].mean((2, 3))[:, None]
            cells = self.head(Tokens(values, torch.ones_like(values[..., 0], dtype=torch.bool), None, maps))
            return tuple(detect.postprocess(cells.boxes, cells.logits.sigmoid(), 20, 0.5))

    whole = Whole().eval()
    rows = torch.export.Dim("rows", min=2)
    maps = _tokens(3).pyramid
    program = torch.export.export(whole, maps, dynamic_shapes={"maps": tuple({0: rows} for _ in maps)})
    more = _tokens(5).pyramid
    expected = whole(*more)
    assert [tuple(x.shape) for x in expected] == [(5, 20, 4), (5, 20), (5, 20), (5, 20)]
    for a, b in zip(program.module()(*more), expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("turn", [0, 20])
def test_boxes_are_transformed_with_their_image(turn: float) -> None:
    augment = Augment(shift=0.15, flip=True, rotate=turn, scale=turn / 100)
    Y, X = 60, 80
    pictures = torch.zeros(12, 1, Y, X)
    pictures[:, :, 24:36, 30:46] = 255
    box = torch.tensor([30 / X, 24 / Y, 46 / X, 36 / Y]).expand(12, 1, 4)
    map = augment.draw(12, (Y, X), torch.Generator().manual_seed(0))
    moved, stays = shapes.warp_boxes(box, map.affine, 0.3)
    assert stays.all()
    for picture, (left, top, right, bottom) in zip(warp(pictures, map), moved[:, 0].tolist(), strict=True):
        rows, columns = (picture[0] > 100).nonzero(as_tuple=True)
        seen = [columns.min() / X, rows.min() / Y, (columns.max() + 1) / X, (rows.max() + 1) / Y]
        assert [float(s) for s in seen] == pytest.approx([left, top, right, bottom], abs=1.6 / Y)


def test_boxes_mostly_outside_are_dropped() -> None:
    half = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])  # half an image to the right
    boxes = torch.tensor([[[0.1, 0.1, 0.3, 0.3], [0.4, 0.1, 0.6, 0.3], [0.45, 0.1, 0.95, 0.3]]])
    moved, stays = shapes.warp_boxes(boxes, half, 0.6)
    assert stays.tolist() == [[False, False, True]]
    torch.testing.assert_close(moved[0, 2], torch.tensor([0.0, 0.1, 0.45, 0.3]))
