# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Instances of Video-kMaX, and things and stuff with Tube-Link."""
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from pycocotools import mask as mask_utils

from tests.models import ROOT, build, model_cfg
from tests.offline import ORI_SHAPE, make_video, offline_cfg, predict
from tests.test_models.test_losses.clips import pack_masks, random_clip

PANOPTIC = Config.fromfile(
    ROOT / 'configs/_base_/datasets/vipseg_tube-link.py').panoptic
INSTANCES = Config.fromfile(
    ROOT / 'configs/_base_/datasets/youtube_vis_2021_canvas.py')


def kmax_of_instances(stage):
    """A tiny Video-kMaX without stuff, with random weights."""
    cfg = offline_cfg('vps', stage)
    cfg.head.type = INSTANCES.instances.head.type
    cfg.head.test_cfg = dict(clip_len=2)
    torch.manual_seed(0)
    return build(cfg)


@pytest.mark.parametrize('stage', ['nearonline', 'offline'])
def test_instances_of_masks_that_compete(stage):
    """A pixel is of the query that has more than half of it."""
    model = kmax_of_instances(stage)
    # so that there are queries with more than half of a pixel
    for name, parameter in model.named_parameters():
        if 'mask_norm.weight' in name:
            torch.nn.init.constant_(parameter, 30.)
    model.head.max_per_video = model.head.max_per_frame = 10**4
    captured = []
    encode = model.head._encode_clip
    model.head._encode_clip = lambda masks, shapes: captured.append(
        masks) or encode(masks, shapes)
    video = make_video('vps', 5)
    sample = TrackDataSample()
    sample.video_data_samples = [
        DetDataSample(metainfo=dict(ori_shape=ORI_SHAPE)) for _ in video
    ]
    frames, = model.predict([list(video)], [sample])
    assert len(frames) == 5
    num_masks = 0
    for frame in frames:
        instances = frame.pred_track_instances
        queries = (instances.instances_id - 1) // model.head.num_classes
        masks = {
            query: mask_utils.decode(rle)
            for query, rle in zip(queries.tolist(), instances.masks)
        }
        # disjoint but for a rim where logits are interpolated
        overlap = sum(masks.values())
        assert (overlap > 1).mean() < 0.05
        num_masks += sum(mask.any() for mask in masks.values())
    assert num_masks > 5
    probs = torch.cat(captured, 1).sigmoid()  # (Q, T, h, w)
    assert probs.shape[1] == 5
    torch.testing.assert_close(
        probs.sum(0), torch.ones_like(probs[0]), rtol=1e-4, atol=1e-4)


def test_stream_of_instances_equals_the_video():
    """In the masks; scores are of what is seen so far."""
    model = kmax_of_instances('nearonline')
    model.head.max_per_video = model.head.max_per_frame = 10**4
    video = list(make_video('vps', 4))
    whole, = predict(model, video)
    last = [
        frame for clip in model.predict_stream(video, ORI_SHAPE, 4)
        for frame in clip
    ][-1].pred_track_instances
    assert len(last) == model.head.segmenter.num_queries
    assert {mask['counts'] for mask in last.masks} == set(whole[-1][3])


def test_losses_of_maps_are_those_of_masks():
    """Tube-Link's, of the same ground truth in both forms."""
    head = build(model_cfg(num_classes=5).head.segmenter).train()
    labels, masks, semantic = random_clip(1, 4, 5, (2, 32, 48))
    maps = pack_masks(labels, masks, semantic)
    frames = pack_masks(labels, masks, semantic)
    for t, frame in enumerate(frames):
        ids = frame.gt_instances.instances_ids
        del frame.gt_panoptic_seg, frame.gt_sem_seg
        frame.gt_instances.masks = BitmapMasks(
            masks[ids - 7, t].numpy().astype('uint8'), 32, 48)
    feats = [
        torch.randn(2, channels, 32 // stride, 48 // stride)
        for channels, stride in zip((24, 48, 96, 192), (4, 8, 16, 32))
    ]
    losses = []
    for clip in (maps, frames):
        torch.manual_seed(0)
        losses.append(head.loss([x.clone() for x in feats], [clip]))
    assert losses[0].keys() == losses[1].keys() and len(losses[0]) == 12
    for name, loss in losses[0].items():
        torch.testing.assert_close(loss, losses[1][name], rtol=0, atol=0)


@pytest.mark.parametrize('stage', ['nearonline', 'offline'])
def test_panoptic_maps_of_single_masks(stage):
    """Segments are where the sigmoid is above the threshold, best first."""
    cfg = model_cfg(f'maxtron-{stage}_tube-link_tiny', num_classes=5)
    cfg.data_preprocessor = dict(
        PANOPTIC.data_preprocessor, input_size=(64, 96))
    del cfg.data_preprocessor['_delete_']
    cfg.head.type = PANOPTIC.head.type
    cfg.head.test_cfg = dict(
        clip_len=2,
        thing_labels=[0, 1],
        pixel_thr=0.5,
        thing_thr=0.,
        stuff_thr=0.,
        overlap_thr=0.)
    torch.manual_seed(0)
    model = build(cfg)
    video = list(make_video('vis', 4))
    captured = []
    segment = model.head.segmenter.segment
    model.head.segmenter.segment = lambda *args: captured.append(
        segment(*args)) or captured[-1]
    maps = torch.tensor(predict(model, video)[0])  # (4, h, w)
    masks = torch.cat([x[0] for x in captured if x.shape[2] == 2], 1)
    masks = masks[:, -4:]  # of the two clips
    size = model.data_preprocessor.img_shape(video[0].shape[-2:])
    masks = F.interpolate(masks, (64, 96), mode='bilinear')
    masks = F.interpolate(
        masks[..., :size[0], :size[1]], ORI_SHAPE, mode='bilinear')
    covered = (masks > 1e-4).any(0)
    assert covered.any() and not covered.all()
    assert (maps[covered] != 5).float().mean() > 0.99
    assert (maps[~(masks > -1e-4).any(0)] == 5).all()
