# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from dataclasses import replace

from projects.maxtron.models.association import QueryAssociation
from projects.maxtron.models.heads.maxtron_panoptic_head import (
    ClipSegments,
    VideoSegments,
)
from projects.maxtron.models.postprocess import MaskFormerMerger
from projects.maxtron.structures import (
    INSTANCE_OFFSET,
    ClipPrediction,
    ClipShapes,
    thing_id,
)

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config

from tests.models import ROOT, build, model_cfg
from tests.offline import read_clips, refine_clips
from tests.parity import assert_norm_parity, load_case

NUM_CLASSES = 124
INPUT_SIZE = (65, 97)


def reference_model(name, case):
    """The whole reference network, in float64: see assert_norm_parity."""
    cfg = Config.fromfile(
        ROOT / f'configs/_base_/models/maxtron-{name}_video-kmax_r50.py'
    )
    cfg.model.data_preprocessor.input_size = INPUT_SIZE
    cfg.model.head.segmenter.criterion = None
    model = build(cfg.model).double()
    model.load_state_dict(case.state)
    return model


@pytest.fixture(scope='module')
def model():
    return reference_model(
        'nearonline', load_case('maxtron_wc_r50_clip', 'vps')
    )


def frames_of(case):
    """Frames of a case as a dataset gives them, BGR."""
    return list(case.outputs['video'].flip(1).double())


def video_of(case):
    """Frames of a case and their size."""
    frames = frames_of(case)
    return frames, frames[0].shape[-2:]


def video_sample(num_frames, shape):
    sample = TrackDataSample()
    sample.video_data_samples = [
        DetDataSample(metainfo=dict(ori_shape=shape, img_shape=shape))
        for _ in range(num_frames)
    ]
    return sample


def reference_ids(panoptic_map):
    """MMDetection's panoptic ids as the reference writes them."""
    ids = panoptic_map.decode()
    labels, numbers = ids % INSTANCE_OFFSET, ids // INSTANCE_OFFSET
    ids = np.where(numbers > 0, labels * 100 + numbers - 1, labels)
    return np.where(labels == NUM_CLASSES, -1, ids)


def stack_ids(panoptic_maps):
    return np.stack([reference_ids(x) for x in panoptic_maps])


def predict(model, case, segment_decision):
    model.head.segment_decision = segment_decision
    frames = frames_of(case)
    (sample,) = model.predict(
        [frames], [video_sample(len(frames), frames[0].shape[-2:])]
    )
    return stack_ids(frame.pred_panoptic_map for frame in sample)


@pytest.mark.slow
def test_video_wise_inference_equals_reference(model):
    case = load_case('near_online_video_wise_7frames', 'vps')
    expected = case.outputs['panoptic'].numpy()[:7]  # the 8th is repeated
    panoptic = predict(model, case, 'per_video')
    # no pixel is nearer to the threshold than 9.8e-5
    np.testing.assert_array_equal(panoptic, expected)


def link(clips, case):
    """Compare the order of the queries; class logits and some masks."""
    association, index, masks = QueryAssociation(), [], []
    for clip, _ in clips:
        # so that the order after the update shows the permutation
        clip = replace(clip, queries=torch.arange(128)[None, :, None])
        clip = association.update(clip)
        index.append(clip.queries[0, :, 0])
        masks.append(clip.mask_logits[0, ::16])
    torch.testing.assert_close(
        torch.stack(index[1:]).int(), case.outputs['matching']
    )
    return association.cls_logits, torch.cat(masks, 1)


@pytest.mark.slow
def test_queries_are_linked_as_in_the_reference(model):
    case = load_case('near_online_video_wise_7frames', 'vps')
    cls_logits, masks = link(read_clips(model, *video_of(case)), case)
    assert_norm_parity(cls_logits, case.outputs['mean_class_logits'])
    assert_norm_parity(masks, case.outputs['aligned_masks'])


@pytest.mark.slow
def test_clip_wise_inference_equals_reference(model):
    case = load_case('near_online_clip_wise_7frames', 'vps')
    expected = case.outputs['linked_panoptic'].numpy()
    np.testing.assert_array_equal(predict(model, case, 'per_clip'), expected)
    # and a stream of unknown length gives the same
    stream = model.predict_stream(iter(frames_of(case)), (61, 90))
    streamed = stack_ids(
        sample.pred_panoptic_map for clip in stream for sample in clip
    )
    np.testing.assert_array_equal(streamed, expected)


@pytest.mark.slow
def test_offline_inference_equals_reference():
    case = load_case('offline_7frames', 'vps')
    out = case.outputs
    model = reference_model('offline', case)
    clips = list(read_clips(model, *video_of(case)))
    link(clips, case)
    tracked = []
    hook = model.head.tracker.register_forward_pre_hook(
        lambda _, args: tracked.append(args[0])
    )
    with torch.no_grad():
        cls_logits, masks = refine_clips(model.head, clips)
        panoptic = stack_ids(model.head.predict(clips))
    hook.remove()
    aligned = tracked[0].transpose(1, 2)[:, ::8]
    assert_norm_parity(aligned, out['aligned_queries'], 2e-5)
    assert_norm_parity(cls_logits, out['class_logits'], 2e-5)
    assert_norm_parity(masks[::16], out['masks'], 2e-5)

    # from stride 4 to the input, without its padding, to the frame
    size = case.settings['raw_size']
    masks = F.interpolate(
        masks, INPUT_SIZE, mode='bilinear', align_corners=True
    )
    width = round(size[1] * INPUT_SIZE[0] / size[0])
    masks = F.interpolate(
        masks[..., :width], size, mode='bilinear', align_corners=True
    )
    assert_norm_parity(masks[::16, :, ::4, ::4], out['postprocessed_masks'])
    differs = panoptic != out['panoptic'].numpy()
    # In float32 the reference has them on the other side of the threshold.
    distance = (masks.softmax(0) - case.settings['thresholds']['pixel']).abs()
    assert (distance.amin(0)[differs] < 1e-5).all()
    assert differs.sum() <= 5  # of 75600; found: 1


def tiny_cfg():
    return Config.fromfile(
        ROOT / 'configs/_base_/models/maxtron-nearonline_video-kmax_tiny.py'
    )


@pytest.mark.parametrize('segment_decision', ['per_video', 'per_clip'])
def test_video_shorter_than_a_clip_and_odd_last_clip(segment_decision):
    torch.manual_seed(0)
    model = build(tiny_cfg().model)
    model.head.segment_decision = segment_decision
    video = torch.randint(0, 256, (3, 3, 40, 64), dtype=torch.uint8)
    for num_frames in (1, 3):
        (sample,) = model.predict(
            [list(video[:num_frames])], [video_sample(num_frames, (20, 32))]
        )
        shapes = [frame.pred_panoptic_map.shape for frame in sample]
        assert shapes == [(20, 32)] * num_frames


def test_repeated_last_frame_counts_in_the_decision():
    """As in the reference: it weighs twice, though it is given once."""
    size = (4, 8)
    masks = torch.full((4, 3, *size), -20.0)
    masks[0, 0, :, :6] = 20  # frames of A, then of B, else of the rest
    masks[1, 0, 0, :6] = masks[1, 2, :2] = 20  # B: 6 pixels of A, 16 alone
    masks[2, 0, :, 6:] = masks[2, 1] = masks[2, 2, 2:] = 20
    masks[3] = -30  # nowhere
    cls = torch.zeros(1, 4, 11)
    cls[0, 0, 4], cls[0, 1, 5], cls[0, 2, 10], cls[0, 3, 10] = 20, 9, 20, 20
    embeds = torch.eye(4)[None]
    head = build(tiny_cfg().model.head)
    assert head.merge_cfg['overlap_thr'] == 0.8
    assert {4, 5} <= set(head.merge_cfg['thing_labels'])
    # 16 of 22 pixels of B are free, but 32 of 38 where the last frame is
    # repeated
    for frames, is_found in (([2, 2], True), ([2], False)):
        video = head.start_video(whole_video=True)
        for part, num_new in (([0, 1], 2), (frames, 1)):
            clip = ClipPrediction(cls, masks[None, :, part], embeds, embeds)
            video.update(clip, ClipShapes(size, size, size, num_new))
        maps = [m for part in video.finish() for m in part]
        assert len(maps) == 3
        assert (thing_id(5, 0) in maps[2].segment_ids) == is_found


@pytest.mark.parametrize('whole_video', [True, False])
def test_overlapping_clips_are_stitched(whole_video):
    """The shared frame links twins; embeddings say the opposite."""
    size, columns = (4, 8), [0, 2, 4]  # of the first twin in each frame
    cls = torch.zeros(1, 3, 11)
    cls[0, :2, 4] = cls[0, 2, 10] = 20
    cfg = tiny_cfg().model.head
    cfg.test_cfg.overlap = 1
    base = Config.fromfile(
        ROOT / 'configs/_base_/models/association_stitching.py'
    )
    maps = {}
    for name in ('paper', 'stitching'):
        if name == 'stitching':
            cfg.association = base.association
        head = build(cfg)
        video, found = head.start_video(whole_video), []
        for start, num_new in ((0, 2), (1, 1)):
            masks = torch.full((1, 3, 2, *size), -20.0)
            masks[0, 2] = 0.0
            for t, left in enumerate(columns[start : start + 2]):
                for q, column in enumerate([left, left + 2]):
                    masks[0, q, t, :, column : column + 2] = 20.0
            embeds = torch.eye(3)[None]
            if start:
                embeds = embeds[:, [1, 0, 2]]
            clip = ClipPrediction(cls, masks, embeds, embeds)
            found += video.update(clip, ClipShapes(size, size, size, num_new))
        found += [m for part in video.finish() for m in part]
        maps[name] = [m.decode() for m in found]
        assert len(found) == 3
    for frame, left in zip(maps['stitching'], columns):
        first, second = frame[0, left], frame[0, left + 2]
        assert (first, second) == (thing_id(4, 0), thing_id(4, 1))
    swapped = maps['paper'][2][0, [6, 4]].tolist()
    assert swapped == [thing_id(4, 0), thing_id(4, 1)]


def test_old_names_of_the_modes():
    """Version 0.1 had 'video' and 'clip'."""
    for old, decision in (('video', 'per_video'), ('clip', 'per_clip')):
        cfg = tiny_cfg().model.head
        cfg.test_cfg.mode = old
        head = build(cfg)
        assert (head.mode, head.segment_decision) == ('near_online', decision)


def test_default_test_cfg():
    cfg = tiny_cfg().model.head
    cfg.test_cfg = dict(thing_labels=[0])
    head = build(cfg)
    assert (head.clip_len, head.mode) == (2, 'near_online')
    assert head.segment_decision == 'per_video'
    assert isinstance(head.start_video(whole_video=True), VideoSegments)
    assert isinstance(head.start_video(), ClipSegments)  # of a stream
    assert head.link_cost == 0.5
    expected = dict(pixel_thr=0.3, thing_thr=0.2, stuff_thr=0.3)
    assert expected.items() <= head.merge_cfg.items()


def test_bad_test_cfg_is_an_error():
    for key, value, message in (
        ('mode', 'frame', "'near_online' or 'offline'"),
        ('segment_decision', 'none', "'per_clip' or 'per_video'"),
        ('clip_len', 1, 'at least 2 frames'),
        ('thing_labels', [10], 'labels outside'),
        ('merge_rule', 'mean', "'video_kmax' or 'maskformer'"),
        ('merge_rule', 'maskformer', 'VideoKMaXHead compete in a softmax'),
    ):
        bad = tiny_cfg().model
        bad.head.test_cfg[key] = value
        with pytest.raises(ValueError, match=message):
            build(bad)
    bad = tiny_cfg().model
    bad.head.test_cfg.piksel_thr = 0.3
    with pytest.raises(TypeError, match="unknown keys.*'piksel_thr'"):
        build(bad)


def test_rule_of_maskformer_needs_decisions_per_clip():
    cfg = dict(
        type='MaXTronPanopticHead',
        segmenter=model_cfg('tube-link_tiny').head.segmenter,
        test_cfg=dict(thing_labels=[0], merge_rule='maskformer'),
    )
    with pytest.raises(ValueError, match="set segment_decision to 'per_clip'"):
        build(cfg)
    cfg['test_cfg']['segment_decision'] = 'per_clip'
    assert isinstance(build(cfg).make_merger(), MaskFormerMerger)
