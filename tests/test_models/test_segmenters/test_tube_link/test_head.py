# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.segmenters import mask_targets

import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from tests.models import build, model_cfg
from tests.parity import assert_norm_parity, load_case, weights

REAL = dict(
    e_near_online_clip='maxtron-nearonline_tube-link_r50',
    e_near_online_clip_plain='tube-link_r50',
)


def build_head(name, case, **kwargs):
    cfg = model_cfg(
        name,
        case.settings['num_classes'],
        num_queries=case.settings['num_queries'],
        **kwargs,
    )
    return build(cfg.head.segmenter)


@pytest.mark.slow
@pytest.mark.parametrize('name', REAL)
def test_clip_equals_reference(name):
    case = load_case(name)
    head = build_head(REAL[name], case).double()
    head.load_state_dict(case.state, strict=True)
    feats = [case.inputs[f'feat_{i}'].double() for i in range(4)]
    out = case.outputs
    with torch.no_grad():
        pred = head(feats, case.settings['frames'])
        assert pred.aux == []
        head.train()
        for module in head.modules():  # all predictions, but no dropout
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        layers = head(feats, case.settings['frames']).aux
    assert_norm_parity(pred.queries, out['query'])
    assert_norm_parity(pred.mask_logits.transpose(1, 2), out['mask_last'])
    assert_norm_parity(layers[0][1].transpose(1, 2), out['mask_init'])
    layers.append((pred.cls_logits, pred.mask_logits))
    for i, (cls_logits, mask_logits) in enumerate(layers):
        assert_norm_parity(cls_logits, out['cls'][i])
        dims = (2, 3, 4)
        assert_norm_parity(  # together: a mean may be next to zero
            torch.stack((mask_logits.mean(dims), mask_logits.std(dims))),
            torch.stack((out['mask_mean'][i], out['mask_std'][i])),
        )


def golden_clips(case):
    """Unpadded ground truth of two clips, frame by frame."""
    clips = []
    for v in range(2):
        ids, labels = (case.outputs[f'gt_{k}_{v}'] for k in ('ids', 'labels'))
        clip = TrackDataSample()
        clip.video_data_samples = [
            DetDataSample() for _ in range(case.settings['frames'])
        ]
        for t, frame in enumerate(clip):
            masks = BitmapMasks(
                case.outputs[f'gt_masks_{v}_{t}'].numpy(),
                *case.settings['image_size'],
            )
            frame.gt_instances = InstanceData(
                instances_ids=ids[ids[:, 0] == t, 1],
                labels=labels[labels[:, 0] == t, 1],
                masks=masks.pad(case.settings['padded_size']),
            )
        clips.append(clip)
    return clips


@pytest.mark.parametrize('mode', ['points', 'dense'])
def test_losses_equal_reference(mode, monkeypatch):
    case = load_case('h_losses')
    head = build_head(
        'tube-link_r50',
        case,
        point_loss=mode == 'points',
        train_cfg=dict(num_points=case.settings['num_points']),
    )
    tubes = mask_targets(golden_clips(case), head.num_classes)
    for v, tube in enumerate(tubes):
        golden = case.outputs[f'tube_masks_{v}'].flatten(1, 2)
        assert tube.labels.equal(case.outputs[f'tube_labels_{v}'])
        assert tube.masks.equal(golden.float())

    # The random points are the points of the reference.
    shapes = iter(enumerate(case.info['results'][mode]['draws']))

    def recorded_rand(*args, **kwargs):
        i, shape = next(shapes)
        return torch.from_numpy(
            weights.tensor(
                f'rand_{i}', shape, case.info['seed'], kind='uniform'
            )
        )

    monkeypatch.setattr(torch, 'rand', recorded_rand)
    cls = case.inputs['cls'].requires_grad_()
    masks = case.outputs['mask_logits'].requires_grad_()
    long_image = masks.transpose(1, 2).flatten(2, 3)
    losses = head.loss_by_feat([cls], [long_image], tubes)
    losses = [losses[f'loss_{kind}'] for kind in ('cls', 'mask', 'dice')]
    torch.testing.assert_close(
        torch.stack([loss.squeeze() for loss in losses]).double(),
        case.outputs[f'{mode}_losses'],
        rtol=1e-5,
        atol=0,
    )
    if mode == 'points':
        sum(losses).sum().backward()
        torch.testing.assert_close(
            cls.grad, case.outputs['points_grad_cls'], rtol=1e-4, atol=1e-7
        )
        torch.testing.assert_close(
            masks.grad.flatten(3).norm(dim=-1),
            case.outputs['points_grad_mask_l2'],
            rtol=1e-4,
            atol=1e-7,
        )


def test_assignment_equals_reference(monkeypatch):
    case = load_case('h_losses')
    head = build_head(
        'tube-link_r50',
        case,
        train_cfg=dict(num_points=case.settings['num_points']),
    )
    tubes = mask_targets(golden_clips(case), head.num_classes)
    draws = iter(range(2))
    monkeypatch.setattr(
        torch,
        'rand',
        lambda shape, **_: torch.from_numpy(
            weights.tensor(
                f'rand_{next(draws)}', shape, case.info['seed'], kind='uniform'
            )
        ),
    )
    masks = case.outputs['mask_logits'].transpose(1, 2).flatten(2, 3)
    ((queries, matched),) = head._match([case.inputs['cls']], [masks], tubes)
    assigned = torch.stack(
        [case.outputs[f'points_assigned_{v}'] for v in range(2)]
    )  # 1 + the tube of each query
    assert queries.equal(assigned.flatten().nonzero()[:, 0])
    first = torch.tensor([[0], [len(tubes[0])]])
    assert matched.equal((assigned - 1 + first)[assigned > 0])


def random_clip(seed, num_frames=3, size=(32, 64)):
    """A clip with 0 to 2 instances a frame, one of them in all frames."""
    generator = torch.manual_seed(seed)
    frames = []
    for t in range(num_frames):
        ids = torch.tensor([3, 8])[: 1 + (t + seed) % 2]
        masks = torch.rand((len(ids), *size), generator=generator) > 0.5
        frames.append(
            DetDataSample(
                gt_instances=InstanceData(
                    instances_ids=ids,
                    labels=ids % 5,
                    masks=BitmapMasks(masks.numpy().astype('uint8'), *size),
                )
            )
        )
    sample = TrackDataSample()
    sample.video_data_samples = frames
    feats = [
        torch.randn(
            (num_frames, c, size[0] // s, size[1] // s), generator=generator
        )
        for c, s in zip((24, 48, 96, 192), (4, 8, 16, 32))
    ]
    return feats, sample


def test_batch_of_two_is_two_batches_of_one(monkeypatch):
    head = build(model_cfg().head.segmenter).train()
    (feats_a, a), (feats_b, b) = random_clip(0), random_clip(1)
    both = [torch.cat(pair) for pair in zip(feats_a, feats_b)]
    pred = head(both, 3)
    parts = [head(feats, 3) for feats in (feats_a, feats_b)]
    for key in ('cls_logits', 'mask_logits', 'queries', 'mask_feats'):
        torch.testing.assert_close(
            getattr(pred, key),
            torch.cat([getattr(part, key) for part in parts]),
            rtol=1e-4,
            atol=1e-5,
        )

    def same_points_for_all(*shape, **kwargs):
        batch, *shape = shape[0] if len(shape) == 1 else shape
        points = rand(shape, generator=torch.manual_seed(0))
        return points.expand(batch, *shape).clone()

    rand = torch.rand
    monkeypatch.setattr(torch, 'rand', same_points_for_all)
    losses = head.loss(both, [a, b])
    single = [head.loss(*clip) for clip in ((feats_a, [a]), (feats_b, [b]))]
    assert set(losses) == {
        f'{layer}loss_{kind}'
        for layer in ('', 'd0.', 'd1.', 'd2.')
        for kind in ('cls', 'mask', 'dice')
    }
    for key in losses:
        if 'cls' not in key:  # both clips have two instances
            torch.testing.assert_close(
                losses[key],
                (single[0][key] + single[1][key]) / 2,
                rtol=1e-3,
                atol=0,
            )


def test_what_a_tracker_asks_for():
    """Last queries make the prediction, and pixels need no queries."""
    head = build(model_cfg().head.segmenter)
    feats, _ = random_clip(0)
    with torch.no_grad():
        pred = head(feats, 3)
        cls_feats, embeds = head.project(pred.queries)
        assert head.classify(cls_feats).equal(pred.cls_logits)
        assert head.segment(embeds, pred.mask_feats).equal(pred.mask_logits)
        for layer in head.transformer_decoder.layers:
            layer.register_forward_hook(lambda *_: pytest.fail('is run'))
        assert head.mask_features(feats, 3).equal(pred.mask_feats)
    assert head.build_tracker_heads() is None
    shared = {
        f'{name}.{key}'
        for name in head.shared_with_tracker
        for key in head.get_submodule(name).state_dict()
    }
    assert len(shared) == 8


def test_any_number_of_frames_and_none_visible():
    head = build(model_cfg().head.segmenter).train()
    for num_frames in (1, 4):
        feats, sample = random_clip(0, num_frames)
        for frame in sample:
            frame.gt_instances = frame.gt_instances[torch.tensor([]).long()]
        losses = head.loss(feats, [sample])
        assert losses['loss_mask'] == 0 and losses['loss_cls'] > 0
        sum(loss.sum() for loss in losses.values()).backward()


def test_instance_with_two_labels_is_an_error():
    head = build(model_cfg().head.segmenter)
    _, sample = random_clip(0)
    sample[1].gt_instances.labels += 1
    with pytest.raises(ValueError, match='different labels in the frames'):
        mask_targets([sample], head.num_classes)


def test_unknown_config_key_is_an_error():
    cfg = model_cfg(num_querys=7)
    with pytest.raises(TypeError, match=r"no argument \['num_querys'\]"):
        build(cfg.head.segmenter)


def test_classes_that_do_not_fit():
    cfg = model_cfg().head.segmenter
    cfg.loss_cls.class_weight = [1.0] * 5
    with pytest.raises(ValueError, match='class_weight has 5.*needs 6'):
        build(cfg)
    head = build(model_cfg().head.segmenter)
    feats, sample = random_clip(0)
    for frame in sample:
        frame.gt_instances.labels += 2
    with pytest.raises(ValueError, match='label 5.*num_classes is 5'):
        head.loss(feats, [sample])


def test_half_precision_keeps_the_matching_finite():
    head = build(model_cfg().head.segmenter).train()
    feats, sample = random_clip(0)
    for frame in sample:
        frame.gt_instances.masks.masks[:] = 1
    with torch.no_grad():
        # far from the truth everywhere: a cost of 12 at each of 12544 points
        head.mask_embed[-1].weight.zero_()
        head.mask_embed[-1].bias.fill_(-12 / head.mask_embed[-1].out_features)
        head.pixel_decoder.mask_feature.weight.zero_()
        head.pixel_decoder.mask_feature.bias.fill_(1)
    head.num_points = 12544
    with torch.autocast('cpu', torch.float16):
        losses = head.loss(feats, [sample])
    assert all(loss.isfinite() for loss in losses.values())
    assert losses['loss_mask'] > 5 * 6  # half of the points are far off
