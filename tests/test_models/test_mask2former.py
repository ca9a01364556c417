# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MMDetection's Mask2Former and its weights, in MMDetection and here."""

from itertools import chain

from projects.maxtron.engine import load_checkpoint_checked

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from pycocotools import mask as mask_utils

from tests.models import ROOT
from tests.shrinking import shrink_model

ORI_SHAPE, IMG_SHAPE = (60, 90), (75, 104)
IMAGES = dict(
    r50='mask2former/mask2former_r50_8xb2-lsj-50e_',
    **{'swin-t': 'mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_'},
)
CLIPS = dict(
    r50='mask2former_r50_8xb2-8e_youtubevis2021',
    **{'swin-l': 'mask2former_swin-l-p4-w12-384-in21k_8xb2-8e_youtubevis2021'},
)


def build_both(ours, theirs, folder, full_size=False):
    """Build MMDetection's model, save it, and load it into ours."""
    init_default_scope('mmdet')
    models = []
    for cfg in (
        Config.fromfile(ROOT / f'configs/mask2former/{ours}.py'),
        get_config(f'mmdet::{theirs}.py'),
    ):
        cfg.model.backbone.init_cfg = cfg.model.init_cfg = None
        if not full_size:
            shrink_model(cfg.model)
        if cfg.model.type == 'MaXTron':
            del cfg.model.init_cfg
        torch.manual_seed(0)
        models.append(MODELS.build(cfg.model).eval())
    model, expected = models
    head = getattr(expected, 'panoptic_head', None) or expected.track_head
    make_confident(head)
    if 'panoptic' in ours:
        shrink_masks(expected)
    path = folder / 'mmdet.pth'
    torch.save(dict(state_dict=expected.state_dict(), meta={}), path)
    load_checkpoint_checked(model, str(path))
    return model, expected


@torch.no_grad()
def make_confident(head):
    """Let the queries of random weights differ, with confident classes."""
    for name, value in head.transformer_decoder.named_parameters():
        if name.endswith(('out_proj.weight', 'ffn.layers.1.weight')):
            value.mul_(0.1)
    head.cls_embed.weight.mul_(40)
    for layer in head.mask_embed[::2]:
        layer.weight.mul_(3)
        layer.bias.zero_()
    head.pixel_decoder.mask_feature.bias.zero_()


@torch.no_grad()
def shrink_masks(model):
    """Subtract a number from all mask logits: few masks overlap."""
    data = dict(inputs=[draw_images(1)[0]], data_samples=[sample_of()])
    feats = model.extract_feat(model.data_preprocessor(data)['inputs'])
    head = model.panoptic_head
    logits = head(feats, data['data_samples'])[1][-1]
    last, feature = head.mask_embed[-1], head.pixel_decoder.mask_feature
    last.weight[0], last.bias[0] = 0, 1
    feature.weight[0] = 0
    feature.bias[0] = -logits.quantile(1 - 1 / head.num_queries)


def draw_images(number):
    """Draw smooth images (3, h, w), BGR, uint8."""
    generator = torch.manual_seed(1)
    coarse = torch.rand(number, 3, 6, 8, generator=generator)
    images = F.interpolate(coarse, IMG_SHAPE, mode='bicubic')
    return images.mul(255).clamp(0, 255).byte()


def sample_of(shape=IMG_SHAPE):
    meta = dict(ori_shape=ORI_SHAPE, img_shape=shape, scale_factor=(1, 1))
    return DetDataSample(metainfo=meta)


def predict(model, image):
    """Predict one image by a model of images."""
    (result,) = model.test_step(
        dict(inputs=[image], data_samples=[sample_of()])
    )
    return result


def segments_of(ids):
    """List label, whether it is a thing, and pixels of each segment."""
    return sorted(
        (i % 1000, i >= 1000, tuple(np.flatnonzero(ids == i)))
        for i in np.unique(ids).tolist()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'backbone, full_size', [('r50', True), ('r50', False), ('swin-t', False)]
)
def test_panoptic_maps(backbone, full_size, tmp_path):
    """Of images, and of the same images as frames of a video."""
    model, expected = build_both(
        f'coco/mask2former_{backbone}_coco-panoptic',
        IMAGES[backbone] + 'coco-panoptic',
        tmp_path,
        full_size,
    )
    images = draw_images(1 if full_size else 2)
    expected_maps = []
    for image in images:
        maps = [
            predict(m, image).pred_panoptic_seg.sem_seg[0].numpy()
            for m in (expected, model)
        ]
        expected_maps.append(segments_of(maps[0]))
        assert len(expected_maps[-1]) > 2
        assert segments_of(maps[1]) == expected_maps[-1]
    video = TrackDataSample()
    video.video_data_samples = [sample_of() for _ in images]
    data = dict(inputs=[images], data_samples=[video])
    (video,) = model.test_step(data)
    for frame, segments in zip(video, expected_maps):
        assert segments_of(frame.pred_panoptic_map.decode()) == segments


@pytest.mark.parametrize('backbone', IMAGES)
def test_instances(backbone, tmp_path):
    """All 100, with class, mask and score."""
    model, expected = build_both(
        f'coco/mask2former_{backbone}_coco',
        IMAGES[backbone] + 'coco',
        tmp_path,
    )
    (image,) = draw_images(1)
    theirs = predict(expected, image).pred_instances
    ours = predict(model, image).pred_instances
    theirs = theirs[theirs.scores.argsort(descending=True, stable=True)]
    # Our pixel decoder adds the samples of a point in another order.
    torch.testing.assert_close(ours.scores, theirs.scores, rtol=1e-4, atol=0)
    masks = map(mask_utils.decode, ours.masks)
    # Equal scores may have another order.
    assert len(ours) == 100
    assert list_all(ours, masks) == list_all(theirs, theirs.masks.numpy())


def list_all(instances, masks):
    return sorted(
        (label, mask.astype(bool).tobytes())
        for label, mask in zip(instances.labels.tolist(), masks)
    )


@pytest.mark.parametrize('backbone', CLIPS)
def test_clips(backbone, tmp_path):
    """Logits of a clip, whose length is not that of the training."""
    model, expected = build_both(
        f'ytvis21/mask2former_{backbone}_youtube-vis-2021',
        f'mask2former_vis/{CLIPS[backbone]}',
        tmp_path,
    )
    clip = torch.randn(1, 3, 3, 64, 96, generator=torch.manual_seed(0))
    with torch.no_grad():
        pred = model.forward_clips(clip)
        classes, masks = expected.track_head(expected.backbone(clip[0]), None)
    close = dict(rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(pred.cls_logits, classes[-1], **close)
    torch.testing.assert_close(pred.mask_logits, masks[-1], **close)
    samples = chain.from_iterable(
        model.predict_stream(list(draw_images(7)), ORI_SHAPE)
    )
    assert [s.frame_id for s in samples] == [*range(7)]
