# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.structures import PanopticMap
from projects.maxtron.visualization import draw_masks, id_colors, to_bitmap

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.footage import footage, read_frames
from tests.panoptic_results import panoptic_map

SIZE = (40, 60)


@pytest.fixture
def bitmaps():
    """An ellipse, and a box over its right half."""
    masks = np.zeros((2, *SIZE), np.uint8)
    cv2.ellipse(masks[0], (25, 20), (15, 10), 0, 0, 360, 1, -1)
    masks[1, 15:35, 25:55] = 1
    return masks.astype(bool)


@pytest.fixture
def visualizer(request):
    visualizer = VISUALIZERS.build(
        dict(type='ClipLocalVisualizer', name=request.node.name)
    )
    visualizer.dataset_meta = dict(classes=('cat', 'dog'))
    return visualizer


def prediction(bitmaps, scores, ids=(4, 9)):
    rles = [mask_utils.encode(np.asfortranarray(m, np.uint8)) for m in bitmaps]
    return InstanceData(
        instances_id=torch.tensor(ids),
        labels=torch.tensor([0, 1]),
        scores=torch.tensor(scores),
        masks=rles,
    )


def test_colors_are_functions_of_the_id():
    colors = id_colors(range(101))
    assert colors.dtype == np.uint8 and not colors[0].any()
    np.testing.assert_array_equal(id_colors([7, 3, 7]), colors[[7, 3, 7]])
    apart = np.abs(colors[:, None].astype(int) - colors).sum(-1)
    # any two ids differ, and the first ten clearly so
    assert apart[np.triu_indices(101, 1)].min() >= 10
    assert apart[1:11, 1:11][np.triu_indices(10, 1)].min() >= 80


def test_every_form_of_mask(bitmaps):
    box = bitmaps[1]
    rle = mask_utils.encode(np.asfortranarray(box, np.uint8))
    runs = dict(size=list(SIZE), counts=[])  # uncompressed
    flat = np.concatenate([[False], box.flatten('F')])
    edges = np.flatnonzero(np.diff(flat)).tolist() + [box.size]
    runs['counts'] = np.diff([0] + edges).tolist()
    polygon = [[25, 15, 55, 15, 55, 35, 25, 35]]
    text = dict(rle, counts=rle['counts'].decode())
    for mask in (rle, text, runs, polygon, box, torch.from_numpy(box)):
        np.testing.assert_array_equal(to_bitmap(mask, SIZE), box)
    with pytest.raises(ValueError, match='is 40 x 60 .*image is 40 x 61'):
        to_bitmap(rle, (40, 61))


def test_first_mask_is_on_top_and_the_rest_untouched(bitmaps):
    image = np.full((*SIZE, 3), 100, np.uint8)
    before = image.copy()
    colors = np.array([[200, 0, 0], [0, 0, 250]], np.uint8)
    drawn = draw_masks(image, bitmaps, colors, ['', ''], 0.5, line_width=0)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(drawn[20, 30], [150, 50, 50])  # overlap
    np.testing.assert_array_equal(drawn[30, 50], [50, 50, 175])
    np.testing.assert_array_equal(drawn[:9], before[:9])
    empty = draw_masks(image, bitmaps[:1] & False, colors[:1], ['x'])
    np.testing.assert_array_equal(empty, before)
    outlined = [
        draw_masks(image, bitmaps, colors, ['', ''], **width)
        for width in ({}, dict(line_width=2), dict(line_width=1))
    ]
    np.testing.assert_array_equal(outlined[0], outlined[1])
    assert (outlined[0] != outlined[2]).any()


def test_label_is_at_the_mask_not_at_the_corner_of_its_box():
    mask = np.zeros((120, 160), bool)
    mask[10:60, 100:150] = mask[70:110, 10:40] = True  # two parts
    image = np.full((*mask.shape, 3), 100, np.uint8)
    drawn = draw_masks(
        image, [mask], np.array([[200, 0, 0]], np.uint8), ['cat']
    )
    np.testing.assert_array_equal(drawn[:60, :90], image[:60, :90])
    label = (drawn[11:18, 100:118] == (200, 0, 0)).all(-1)
    assert 0.3 < label.mean() < 1


def test_color_stays_when_order_and_scores_change(visualizer, bitmaps):
    image = read_frames(footage('bikes.mp4'), 1)[0][:160, :240]
    apart = np.kron(bitmaps & ~bitmaps[::-1], np.ones((1, 4, 4), bool))
    first = visualizer.draw_instances(image, prediction(apart, [0.9, 0.5]))
    second = visualizer.draw_instances(
        image, prediction(apart[::-1], [0.7, 0.6], ids=(9, 4))
    )
    for y, x in ((100, 60), (130, 200)):  # inside a mask, off the labels
        np.testing.assert_array_equal(first[y, x], second[y, x])
    hidden = visualizer.draw_instances(
        image, prediction(apart, [0.2, 0.1]), score_thr=0.3
    )
    np.testing.assert_array_equal(hidden, image)


def test_datasample_with_and_without_truth(visualizer, bitmaps, tmp_path):
    image = np.full((*SIZE, 3), 100, np.uint8)
    sample = DetDataSample(
        pred_track_instances=prediction(bitmaps, [0.9, 0.5])
    )

    def draw(name):
        visualizer.add_datasample(
            'frame', image, sample, out_file=str(tmp_path / name)
        )
        return cv2.imread(str(tmp_path / name))[..., ::-1]

    alone = draw('alone.png')
    np.testing.assert_array_equal(
        alone,
        visualizer.draw_instances(image, sample.pred_track_instances, 0.3),
    )
    # annotations as a lazily loaded test video has them
    sample.set_metainfo(
        dict(
            instances=[
                dict(
                    bbox_label=1,
                    instance_id=2,
                    mask=[[25, 15, 55, 15, 55, 35]],
                )
            ]
        )
    )
    lazy = draw('lazy.png')
    np.testing.assert_array_equal(lazy[:, SIZE[1] :], alone)
    assert (lazy[:, : SIZE[1]] != image).any()
    # and as a training sample has them
    sample.gt_instances = InstanceData(
        instances_id=torch.tensor([4, 9]),
        labels=torch.tensor([0, 1]),
        masks=BitmapMasks(list(bitmaps.astype(np.uint8)), *SIZE),
    )
    both = draw('both.png')
    assert both.shape == (SIZE[0], 2 * SIZE[1], 3)
    assert (both[:, : SIZE[1]] != lazy[:, : SIZE[1]]).any()


PANOPTIC_META = dict(
    classes=('cat', 'wall', 'dog', 'grass'),
    palette=[(10, 20, 30), (200, 40, 0), (50, 50, 50), (0, 90, 240)],
)


def halves(*ids) -> PanopticMap:
    """Vertical stripes, 40 pixels wide and 120 high."""
    return panoptic_map(
        np.repeat(np.array([ids]), 40, axis=1).repeat(120, axis=0), void=4
    )


def test_panoptic_colors_at_pixels(visualizer):
    visualizer.dataset_meta = PANOPTIC_META
    image = np.random.default_rng(0).integers(
        0, 256, (120, 200, 3), dtype=np.uint8
    )
    before = image.copy()
    void, wall, dog, cat, grass = (
        np.s_[60:80, 40 * i + 8 : 40 * i + 32] for i in range(5)
    )
    drawn = visualizer.draw_panoptic(image, halves(4, 1, 1002, 2000, 3))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(drawn[void], image[void])

    def color(place):
        """Colours that were mixed half and half with the image, to one bit."""
        mixed = drawn[place].reshape(-1, 3).astype(int) * 2
        found = mixed - image[place].reshape(-1, 3)
        assert np.ptp(found, axis=0).max() <= 2
        return np.median(found, axis=0)

    # stuff has the colour of its class, things one of their own
    np.testing.assert_allclose(color(wall), (200, 40, 0), atol=1)
    np.testing.assert_allclose(color(grass), (0, 90, 240), atol=1)
    things = color(dog), color(cat)
    assert np.abs(things[0] - things[1]).sum() > 40
    # which stays when the segments around change, and differs by number
    drawn = visualizer.draw_panoptic(image, halves(1, 1000, 1002, 2002, 3002))
    np.testing.assert_array_equal(color(dog), things[0])
    assert np.abs(color(dog) - color(cat)).sum() > 40
    assert (visualizer.draw_panoptic(image, halves(*[4] * 5)) == image).all()
    with pytest.raises(ValueError, match='does not fit the image'):
        visualizer.draw_panoptic(image[1:], halves(1, 1, 1, 1, 1))


def test_opacity_and_outlines_can_be_chosen():
    visualizer = VISUALIZERS.build(
        dict(
            type='ClipLocalVisualizer', name='opaque', alpha=1.0, line_width=0
        )
    )
    image, masks = np.zeros((120, 80, 3), np.uint8), np.zeros((1, 120, 80))
    masks[0, :, :40] = 1
    instances = InstanceData(
        instances_id=np.array([1]), labels=np.array([0]), masks=masks > 0
    )
    for drawn in (
        visualizer.draw_panoptic(image, halves(1, 4)),
        visualizer.draw_instances(image, instances),
    ):
        below = drawn[60:]  # the label
        assert (below[:, :40] == drawn[60, 0]).all()
        assert drawn[60, 0].max() > 150 and not below[:, 40:].any()


def test_outlines_of_things_are_on_top_of_stuff(visualizer):
    visualizer.dataset_meta = PANOPTIC_META
    image = np.full((120, 120, 3), 100, np.uint8)
    drawn = visualizer.draw_panoptic(image, halves(1, 1002, 3))
    # outlines of two pixels reach over the border into the stuff
    row = drawn[100]
    thing = visualizer.draw_panoptic(image, halves(4, 1002, 4))[100, 40]
    for x in (39, 40, 79, 80):
        np.testing.assert_array_equal(row[x], thing)
    assert (row[36] != thing).any() and (row[83] != thing).any()


def test_outlines_of_things_are_on_top_of_those_of_stuff(visualizer):
    visualizer.dataset_meta = PANOPTIC_META
    image = np.full((120, 80, 3), 100, np.uint8)
    edges = np.concatenate(
        [
            visualizer.draw_panoptic(image, halves(*ids))[60, 39:41]
            for ids in ((1, 1002), (1002, 1))
        ]
    )  # both sides of the border, wherever the thing is
    assert (edges == edges[0]).all()
    thing, stuff = edges[0].tolist(), [200, 40, 0]
    assert np.abs(np.subtract(thing, stuff)).sum() > 100


def test_instances_of_few_classes_have_colors_apart(visualizer):
    visualizer.dataset_meta = None
    image = np.zeros((120, 240, 3), np.uint8)
    ids = [label + 1000 * k for label in range(8) for k in (1, 2, 3, 4)]
    colors = []
    for i in range(0, len(ids), 4):
        drawn = visualizer.draw_panoptic(image, halves(*ids[i : i + 4], 0, 0))
        colors += [drawn[70, 40 * j + 20].astype(int) * 2 for j in range(4)]
    apart = np.abs(np.array(colors)[:, None] - colors).sum(-1)
    assert apart[np.triu_indices(len(ids), 1)].min() >= 20
    for i in range(0, len(ids), 4):  # of one class clearly so
        same = apart[i : i + 4, i : i + 4]
        assert same[np.triu_indices(4, 1)].min() >= 80


def test_panoptic_truth_beside_the_prediction(visualizer):
    visualizer.dataset_meta = PANOPTIC_META
    image = np.full((120, 80, 3), 100, np.uint8)
    sample = DetDataSample()
    sample.set_field(halves(1, 1002), 'pred_panoptic_map')
    visualizer.add_datasample('frame', image, sample)
    alone = visualizer.get_image()
    np.testing.assert_array_equal(
        alone, visualizer.draw_panoptic(image, halves(1, 1002))
    )
    sample.set_field(halves(3, 1000), 'gt_panoptic_map')
    visualizer.add_datasample('frame', image, sample)
    np.testing.assert_array_equal(
        visualizer.get_image(),
        np.hstack([visualizer.draw_panoptic(image, halves(3, 1000)), alone]),
    )
    visualizer.add_datasample('frame', image, sample, draw_gt=False)
    np.testing.assert_array_equal(visualizer.get_image(), alone)
