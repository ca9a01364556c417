# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import ClipPrediction
from projects.maxtron.models.association import QueryAssociation, align_queries
from projects.maxtron.structures import ClipShapes

import pytest
import torch
import torch.nn.functional as F

from tests.instance_results import compare_frames, compare_submission
from tests.models import build, model_cfg
from tests.offline import predict_clips, refine_clips
from tests.parity import assert_norm_parity, load_case


def reference_head(name, case, clip_len):
    """Head of a golden case in float64: see assert_norm_parity."""
    settings = case.settings
    cfg = model_cfg(
        f'maxtron-{name}_tube-link_r50',
        settings['num_classes'],
        num_queries=settings['num_queries'],
    )
    cfg.head.test_cfg.clip_len = clip_len
    head = build(cfg.head).double()
    module = head if name == 'offline' else head.segmenter
    module.load_state_dict(case.state, strict=True)
    return head


def read_clips(case, head):
    """Clips of 11 frames and their shapes."""
    settings = case.settings
    feats = [
        0.8 * case.inputs[f'base_{i}'].double()
        + 0.6 * case.inputs[f'drift_{i}'].double()
        for i in range(4)
    ]
    shapes = [tuple(settings[k]) for k in ('image', 'img_shape', 'ori_shape')]
    for frames, num_new in head.split(
        range(settings['frames']), settings['frames']
    ):
        yield (
            head([feat[frames] for feat in feats], len(frames)),
            ClipShapes(*shapes, num_new),
        )


def track(head, clips):
    """Class logits (Q, C + 1) and mask logits (Q, T, h, w) of a video."""
    if head.mode == 'offline':
        return refine_clips(head, clips)
    association = QueryAssociation()
    masks = [association.update(clip).mask_logits[0] for clip, _ in clips]
    return association.cls_logits, torch.cat(masks, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    'case, name, lengths',
    [
        ('i_near_online', 'nearonline', [4, 4, 3]),
        ('i_offline', 'offline', [4, 4, 4]),
    ],
)
def test_inference_equals_reference(case, name, lengths, tmp_path):
    case = load_case(case)
    settings, out = case.settings, case.outputs
    head = reference_head(name, case, settings['frames_per_clip'])
    with torch.no_grad():
        clips = list(read_clips(case, head))
        frames = head.predict(clips)
        cls_logits, masks = track(head, clips)
    assert [clip.mask_logits.shape[2] for clip, _ in clips] == lengths
    check_order([clip.embeds for clip, _ in clips], out['indices'])
    assert_norm_parity(cls_logits, out['cls_mean'])
    masks = F.interpolate(
        masks.transpose(0, 1), settings['image'], mode='bilinear'
    )
    assert_norm_parity(masks[..., ::4, ::4], out['masks_sub'])
    compare_frames(frames, case, settings['num_classes'], pixels=5, atol=1e-4)
    compare_submission(
        frames,
        case.info['case'],
        settings['num_classes'],
        tmp_path,
        pixels=5,
        atol=1e-4,
    )


def check_order(embeds, indices):
    """Compare the permutations of all clips but the first."""
    order = torch.arange(embeds[0].shape[1])[None, :, None]
    aligned = align_queries([order] * len(embeds), embeds)
    assert aligned[0, 1:, :, 0].equal(indices)


@pytest.mark.slow
def test_offline_head_equals_reference():
    case = load_case('e_offline')
    settings, out = case.settings, case.outputs
    head = reference_head('offline', case, settings['frames_per_clip'])
    with torch.no_grad():
        clips = [
            head(
                [
                    0.8 * case.inputs[f'base_{i}'].double()
                    + 0.6 * case.inputs[f'drift{k}_{i}'].double()
                    for i in range(4)
                ],
                head.clip_len,
            )
            for k in range(settings['clips'])
        ]
        embeds = [clip.embeds for clip in clips]
        aligned = align_queries([clip.queries for clip in clips], embeds)
        mask_feats = torch.stack([clip.mask_feats for clip in clips], 1)
        layers = [
            head._predict_video(x, mask_feats) for x in head.tracker(aligned)
        ]
    check_order(embeds, out['indices'])
    assert_norm_parity(aligned[0], out['aligned'])
    assert len(layers) == settings['num_cc_layers']
    for i, (cls_logits, masks) in enumerate(layers):
        assert_norm_parity(cls_logits, out['cls'][i])
        dims = (2, 3, 4)
        assert_norm_parity(masks.mean(dims), out['mask_mean'][i])
        assert_norm_parity(masks.std(dims), out['mask_std'][i])
    assert_norm_parity(masks.transpose(1, 2), out['mask_last'])


def moving_clips(num_clips=4, num_queries=6, num_frames=2):
    """Clips of the same tracks, whose order is shuffled in every clip."""
    generator = torch.manual_seed(0)
    embeds = torch.eye(num_queries)[None] * 3
    cls = torch.randn((1, num_queries, 4), generator=generator)
    cls[0, :3, 3] = 9  # no object
    for k in range(num_clips):
        masks = torch.full(
            (1, num_queries, num_frames, 4, 4 * num_queries), -5.0
        )
        for q in range(num_queries):  # one column of blocks per track
            masks[0, q, :, :, 4 * q : 4 * q + 4] = 5
        clip = ClipPrediction(cls + 0.1 * k, masks, embeds, embeds)
        order = torch.randperm(num_queries, generator=generator)
        yield (
            (clip.reorder(order) if k else clip),
            ClipShapes(
                (4, 4 * num_queries),
                (4, 4 * num_queries),
                (8, 8 * num_queries),
                num_frames,
            ),
        )


def test_ids_follow_the_tracks():
    head = build(model_cfg(num_classes=3).head)
    head.max_per_frame = 4
    whole = head.predict(moving_clips())
    stream = [f for clip in predict_clips(head, moving_clips()) for f in clip]
    assert len(whole) == len(stream) == 8
    for frames, query in (
        (whole, lambda ids: (ids - 1) // 3),
        (stream, lambda ids: ids - 1),
    ):
        for frame in frames:
            assert len(frame) == 4
            assert len(set(frame.instances_id.tolist())) == 4
            # a track stays in its column, whatever its place in the clip
            columns = frame.bboxes[:, 0] / 8
            torch.testing.assert_close(
                columns, query(frame.instances_id).float()
            )
    # One label per query, the best, with the score that the pair has.
    head.max_per_frame = 18
    whole = head.predict(moving_clips())
    whole_scores = dict(
        zip(whole[-1].instances_id.tolist(), whole[-1].scores.tolist())
    )
    for query, label, score in zip(
        stream[-1].instances_id, stream[-1].labels, stream[-1].scores
    ):
        pairs = [int(query - 1) * 3 + c + 1 for c in range(3)]
        scores = [whole_scores[pair] for pair in pairs]
        assert scores[label] == max(scores) == pytest.approx(float(score))


def test_only_things_of_a_panoptic_model():
    """They keep their probabilities among all classes."""
    cfg = model_cfg(num_classes=3).head
    frames = []
    for labels in ([0, 1, 2], [2, 0]):
        cfg.test_cfg.update(thing_labels=labels, max_per_frame=18)
        head = build(cfg)
        frames.append(head.predict(moving_clips())[-1])
        (*_, clip), (*_, last) = predict_clips(head, moving_clips()), frames
        best = {
            int(i): float(s)
            for i, s in zip(clip[-1].instances_id, clip[-1].scores)
        }
        for query, score in best.items():
            own = (last.instances_id - 1) // 3 == query - 1
            assert last.scores[own].max() == pytest.approx(score)
    every, things = (
        {
            ((i - 1) // 3, labels[label]): score
            for i, label, score in zip(
                frame.instances_id.tolist(),
                frame.labels.tolist(),
                frame.scores.tolist(),
            )
        }
        for frame, labels in zip(frames, ([0, 1, 2], [2, 0]))
    )
    expected = {key: score for key, score in every.items() if key[1] != 1}
    assert len(things) > 4 and things == pytest.approx(expected)
    cfg.test_cfg.thing_labels = [3]
    with pytest.raises(ValueError, match='labels outside of 0 to 2'):
        build(cfg)


def walking_clips(starts, length, new):
    """One track whose mask in frame t is column t, in clips of a video."""
    size = (4, 16)
    embeds = torch.eye(2)[None]
    cls = torch.tensor([[[9.0, 0, 0, 0], [0, 0, 0, 9]]])
    for start, num_new in zip(starts, new, strict=True):
        masks = torch.full((1, 2, length, *size), -5.0)
        for t in range(length):
            masks[0, 0, t, :, start + t] = 5
        clip = ClipPrediction(cls, masks, embeds, embeds)
        yield clip, ClipShapes(size, size, size, num_new)


@pytest.mark.parametrize('streamed', [True, False])
def test_overlapping_clips_give_the_masks_of_their_new_frames(streamed):
    cfg = model_cfg(num_classes=3)
    cfg.head.test_cfg.overlap = 2
    head = build(cfg.head)
    clips = walking_clips(starts=[0, 1, 2, 4], length=3, new=[3, 1, 1, 2])
    if streamed:
        frames = [f for clip in predict_clips(head, clips) for f in clip]
    else:
        frames = head.predict(clips)
    assert [int(frame.bboxes[0, 0]) for frame in frames] == [*range(7)]


def test_padded_clips_give_the_masks_of_their_first_frames():
    cfg = model_cfg(num_classes=3)
    head = build(cfg.head)
    head.segmenter.pad_last_clip = True
    clips = walking_clips(starts=[0, 3, 6], length=3, new=[3, 3, 1])
    frames = head.predict(clips)
    assert [int(frame.bboxes[0, 0]) for frame in frames] == [*range(7)]


@pytest.mark.parametrize('clip_len', [1, 0, -3])
def test_clip_len_below_two(clip_len):
    cfg = model_cfg()
    cfg.head.test_cfg.clip_len = clip_len
    message = f'clip_len is {clip_len}.*at least 2'
    with pytest.raises(ValueError, match=message):
        build(cfg.head)
    # Without within-clip tracking, single frames can be linked.
    cfg.head.segmenter.pixel_decoder.temporal_cfg = None
    if clip_len == 1:
        assert build(cfg.head).clip_len == 1
    else:
        with pytest.raises(ValueError, match=f'{clip_len}.*at least 1 frame'):
            build(cfg.head)
