# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import ClipPrediction
from projects.maxtron.models.heads import ClipShapes
from projects.maxtron.models.trackers import QueryAssociation, iter_clips

import pytest
import torch
import torch.nn.functional as F

from tests.instance_results import compare_frames, compare_submission
from tests.models import build, model_cfg
from tests.parity import assert_norm_parity, load_case


def test_near_online_equals_reference(tmp_path):
    case = load_case('i_near_online')
    settings, out = case.settings, case.outputs
    cfg = model_cfg(
        'maxtron-nearonline_tube-link_r50',
        settings['num_classes'],
        num_queries=settings['num_queries'])
    cfg.head.test_cfg.clip_len = settings['frames_per_clip']
    head = build(cfg.head).double()
    head.segmenter.load_state_dict(case.state, strict=True)
    feats = [
        0.8 * case.inputs[f'base_{i}'].double() +
        0.6 * case.inputs[f'drift_{i}'].double() for i in range(4)
    ]
    shapes = [tuple(settings[k]) for k in ('image', 'img_shape', 'ori_shape')]

    def clips():
        for frames, num_new in iter_clips(
                range(settings['frames']), head.clip_len, settings['frames']):
            yield (head([feat[frames] for feat in feats], len(frames)),
                   ClipShapes(*shapes, num_new))

    with torch.no_grad():
        frames = head.predict(clips())
        association = QueryAssociation()
        aligned = [association.update(clip) for clip, _ in clips()]
    assert [clip.mask_logits.shape[2] for clip in aligned] == [4, 4, 3]
    assert_norm_parity(association.cls_logits, out['cls_mean'])
    masks = torch.cat([clip.mask_logits[0] for clip in aligned], dim=1)
    masks = F.interpolate(masks.transpose(0, 1), shapes[0], mode='bilinear')
    assert_norm_parity(masks[..., ::4, ::4], out['masks_sub'])
    compare_frames(
        frames, case, settings['num_classes'], pixels=5, atol=1e-4)
    compare_submission(
        frames,
        'i_near_online',
        settings['num_classes'],
        tmp_path,
        pixels=5,
        atol=1e-4)


def moving_clips(num_clips=4, num_queries=6, num_frames=2):
    """Clips of the same tracks, whose order is shuffled in every clip."""
    generator = torch.manual_seed(0)
    embeds = torch.eye(num_queries)[None] * 3
    cls = torch.randn((1, num_queries, 4), generator=generator)
    cls[0, :3, 3] = 9  # no object
    for k in range(num_clips):
        masks = torch.full((1, num_queries, num_frames, 4, 4 * num_queries),
                           -5.)
        for q in range(num_queries):  # one column of blocks per track
            masks[0, q, :, :, 4 * q:4 * q + 4] = 5
        clip = ClipPrediction(cls + .1 * k, masks, embeds, embeds)
        order = torch.randperm(num_queries, generator=generator)
        yield (clip.reorder(order) if k else clip), ClipShapes(
            (4, 4 * num_queries), (4, 4 * num_queries), (8, 8 * num_queries),
            num_frames)


def test_ids_follow_the_tracks():
    head = build(model_cfg(num_classes=3).head)
    head.max_per_frame = 4
    whole = head.predict(moving_clips())
    stream = [f for clip in head.predict_stream(moving_clips()) for f in clip]
    assert len(whole) == len(stream) == 8
    for frames, query in ((whole, lambda ids: (ids - 1) // 3),
                          (stream, lambda ids: ids - 1)):
        for frame in frames:
            assert len(frame) == 4
            assert len(set(frame.instances_id.tolist())) == 4
            # a track stays in its column, whatever its place in the clip
            columns = frame.bboxes[:, 0] / 8
            torch.testing.assert_close(columns,
                                       query(frame.instances_id).float())
    # One label per query, the best, with the score that the pair has.
    head.max_per_frame = 18
    whole = head.predict(moving_clips())
    whole_scores = dict(
        zip(whole[-1].instances_id.tolist(), whole[-1].scores.tolist()))
    for query, label, score in zip(stream[-1].instances_id,
                                   stream[-1].labels, stream[-1].scores):
        pair = int(query - 1) * 3 + int(label) + 1
        assert whole_scores[pair] == pytest.approx(float(score))


def test_overlap_gives_each_frame_once():
    head = build(model_cfg(num_classes=3).head)
    clips = [(clip, shapes._replace(num_new=2 - (k > 0)))
             for k, (clip, shapes) in enumerate(moving_clips())]
    assert len(head.predict(clips)) == 2 + 3


@pytest.mark.parametrize('clip_len', [1, 0, -3])
def test_clip_len_below_two(clip_len):
    cfg = model_cfg()
    cfg.head.test_cfg.clip_len = clip_len
    message = f'clip_len is {clip_len}.*at least 2'
    with pytest.raises(ValueError, match=message):
        build(cfg.head)
