# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Instance segmentation by Video-kMaX and panoptic by Tube-Link."""

from projects.maxtron.testing import find_ties, resize_logits
from projects.maxtron.testing.naive_merge import naive_merge

import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from pycocotools import mask as mask_utils

from tests.models import ROOT, build, model_cfg
from tests.offline import (
    ORI_SHAPE,
    make_video,
    offline_cfg,
    predict,
    read_clips,
)
from tests.test_models.clips import pack_masks, random_clip
from tests.test_models.test_heads.test_maxtron_head import track

PANOPTIC = Config.fromfile(
    ROOT / 'configs/_base_/datasets/vipseg_tube-link.py'
).panoptic
INSTANCES = Config.fromfile(
    ROOT / 'configs/_base_/datasets/youtube_vis_2021_canvas.py'
).instances


def kmax_cfg(stage):
    """A tiny Video-kMaX without stuff."""
    cfg = offline_cfg('vps', stage)
    cfg.head.type = INSTANCES.head.type
    cfg.head.test_cfg = dict(clip_len=2)
    return cfg


def kmax_of_instances(stage):
    """The same with random weights."""
    torch.manual_seed(0)
    model = build(kmax_cfg(stage))
    # so that there are queries with more than half of a pixel
    for name, parameter in model.named_parameters():
        if 'mask_norm.weight' in name:
            torch.nn.init.constant_(parameter, 30.0)
    model.head.max_per_video = model.head.max_per_frame = 10**4
    return model


@pytest.mark.parametrize('stage', ['nearonline', 'offline'])
def test_a_pixel_is_of_one_instance(stage):
    """A pixel belongs to the query with more than half of its probability."""
    model = kmax_of_instances(stage)
    video = make_video('vps', 5)  # the last clip is filled up
    sample = TrackDataSample()
    sample.video_data_samples = [
        DetDataSample(metainfo=dict(ori_shape=ORI_SHAPE)) for _ in video
    ]
    (frames,) = model.predict([list(video)], [sample])
    assert len(frames) == 5
    num_masks = 0
    for frame in frames:
        instances = frame.pred_track_instances
        queries = (instances.instances_id - 1) // model.head.num_classes
        masks = {
            query: mask_utils.decode(rle)
            for query, rle in zip(queries.tolist(), instances.masks)
        }
        assert len(masks) == model.head.segmenter.num_queries
        assert sum(masks.values()).max() == 1
        num_masks += sum(mask.any() for mask in masks.values())
    assert num_masks > 5


def test_clips_have_the_length_of_the_training():
    head = kmax_of_instances('nearonline').head
    clips = list(head.split(range(5), 5))
    assert clips == [([0, 1], 2), ([2, 3], 2), ([4, 4], 1)]
    head.overlap = 1
    clips = list(head.split(range(4), 4))
    assert clips == [([0, 1], 2), ([1, 2], 1), ([2, 3], 1)]
    cfg = kmax_cfg('offline')
    cfg.head.test_cfg.overlap = 1
    with pytest.raises(ValueError, match='overlap is 1.*set it to 0'):
        build(cfg)


def test_stream_of_instances_has_the_masks_of_the_video():
    model = kmax_of_instances('nearonline')
    video = list(make_video('vps', 5))
    (whole,) = predict(model, video)
    last = [
        frame
        for clip in model.predict_stream(video, ORI_SHAPE, 5)
        for frame in clip
    ][-1].pred_track_instances
    assert len(last) == model.head.segmenter.num_queries
    assert {mask['counts'] for mask in last.masks} == set(whole[-1][3])


def test_losses_of_maps_are_those_of_masks():
    """Losses of Tube-Link are equal for both forms of the ground truth."""
    head = build(model_cfg(num_classes=5).head.segmenter).train()
    labels, masks, semantic = random_clip(1, 4, 5, (2, 32, 48))
    maps, frames = (pack_masks(labels, masks, semantic) for _ in range(2))
    for t, frame in enumerate(frames):
        ids = frame.gt_instances.instances_ids
        del frame.gt_panoptic_seg, frame.gt_sem_seg
        frame.gt_instances.masks = BitmapMasks(
            masks[ids - 7, t].numpy().astype('uint8'), 32, 48
        )
    feats = [
        torch.randn(2, channels, 32 // stride, 48 // stride)
        for channels, stride in zip((24, 48, 96, 192), (4, 8, 16, 32))
    ]
    losses = []
    for clip in (maps, frames):
        torch.manual_seed(0)
        losses.append(head.loss(feats, [clip]))
    assert losses[0].keys() == losses[1].keys() and len(losses[0]) == 12
    for name, loss in losses[0].items():
        torch.testing.assert_close(loss, losses[1][name], rtol=0, atol=0)


@pytest.mark.parametrize('stage', ['nearonline', 'offline'])
def test_panoptic_maps_are_those_of_the_plain_rules(stage):
    """With masks that do not compete for the pixels."""
    cfg = model_cfg(f'maxtron-{stage}_tube-link_tiny', num_classes=5)
    cfg.data_preprocessor = dict(
        PANOPTIC.data_preprocessor, input_size=(64, 96)
    )
    del cfg.data_preprocessor['_delete_']
    cfg.head.type = PANOPTIC.head.type
    things, thresholds = [0, 1], (0.5, 0.0, 0.0, 0.1)
    cfg.head.test_cfg = dict(
        zip(
            ('pixel_thr', 'thing_thr', 'stuff_thr', 'overlap_thr'), thresholds
        ),
        clip_len=2,
        thing_labels=things,
    )
    torch.manual_seed(0)
    model = build(cfg)
    # queries that differ
    segmenter = model.head.segmenter
    torch.nn.init.normal_(segmenter.query_feat.weight, std=30)
    torch.nn.init.normal_(segmenter.cls_embed.weight, std=2)
    torch.nn.init.normal_(segmenter.mask_embed[-1].weight)
    video = list(make_video('vis', 4))
    with torch.no_grad():
        cls_logits, masks = track(model.head, read_clips(model, video))
    size = model.data_preprocessor.img_shape(video[0].shape[-2:])
    masks = resize_logits(
        masks, (64, 96), size, ORI_SHAPE, align_corners=False
    )
    expected = naive_merge(masks, cls_logits, things, *thresholds, 'sigmoid')
    ties = find_ties(masks, 0.5, mask_activation='sigmoid')
    maps = torch.tensor(predict(model, video)[0])  # (4, h, w)
    assert len(expected.unique()) > 1 + 2 * (stage == 'nearonline')
    assert ((maps != expected) <= ties).all() and ties.float().mean() < 0.01
