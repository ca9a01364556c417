# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import ClipPrediction
from projects.maxtron.models.segmenters import index_targets
from projects.maxtron.models.segmenters.kmax import (
    GumbelPixelSampler,
    assign_tubes,
)

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS

from tests.parity import assert_parity, load_case
from tests.test_models.clips import pack_masks, random_clip
from tests.test_models.test_segmenters.test_kmax.naive_criterion import (
    naive_losses,
    naive_semantic_loss,
    sample,
    targets_of,
)

WEIGHTS = dict(
    loss_cls=4.0,
    loss_mask=0.1,
    loss_dice=5.0,
    loss_pixel=1.0,
    loss_semantic=1.0,
)
REFERENCE_NAMES = dict(
    loss_cls='loss_ce',
    loss_mask='loss_mask',
    loss_dice='loss_dice',
    loss_pixel='loss_pixel_insdis',
    loss_semantic='loss_aux_semantic',
)


class RecordedPixelSampler(GumbelPixelSampler):
    """Takes its noise from a list that others may share."""

    def __init__(self, noise: list, **kwargs) -> None:
        super().__init__(**kwargs)
        self.noise = noise

    def uniform_noise(self, like):
        if self.noise:
            return self.noise.pop(0).clone()
        return super().uniform_noise(like)


def criterion_cfg(
    num_classes, num_points, noise=(), weights=WEIGHTS, **kwargs
):
    noise = list(noise)

    def sampler(temperature):
        return dict(
            type=RecordedPixelSampler,
            noise=noise,
            num_points=num_points,
            temperature=temperature,
        )

    cfg = dict(
        type='KMaXCriterion',
        num_classes=num_classes,
        loss_cls=dict(type='PQClassLoss'),
        loss_mask=dict(type='TubeCrossEntropyLoss'),
        loss_dice=dict(type='TubeDiceLoss'),
        loss_pixel=dict(type='PixelInstanceLoss', sampler=sampler(1.8)),
        loss_semantic=dict(type='AuxiliarySemanticLoss', sampler=sampler(2.4)),
        **kwargs,
    )
    for name in REFERENCE_NAMES:
        if name in weights:
            cfg[name]['loss_weight'] = weights[name]
        else:
            cfg[name] = None
    return cfg


def prediction(cls_logits, mask_logits, mask_feats=None, aux=()):
    return ClipPrediction(
        cls_logits,
        mask_logits,
        queries=None,
        embeds=None,
        mask_feats=mask_feats,
        aux=list(aux),
    )


class GoldenCriterion:
    """A golden case, its prediction and ground truth."""

    def __init__(self, name):
        case = load_case(name, 'vps')
        self.settings = s = case.settings
        self.arrays = arrays = case.outputs
        self.leaves = {
            k: arrays[k].clone().requires_grad_()
            for k in arrays
            if k.startswith('in_')
        }
        outputs = []
        for prefix in ['in_'] + [f'in_aux{i}_' for i in range(6)]:
            if f'{prefix}pred_logits' in arrays:
                outputs.append(
                    tuple(
                        self.leaves.get(prefix + name)
                        for name in (
                            'pred_logits',
                            'pred_masks',
                            'pixel_feature',
                        )
                    )
                )
        self.pred = prediction(*outputs[0], aux=outputs[1:])
        self.semantic = self.leaves.get('in_aux_semantic_pred')
        if self.semantic is not None:
            self.semantic = self.semantic.unflatten(2, (s['frames'], -1))
        self.clips = [
            pack_masks(
                *(
                    arrays[f'target{b}_{x}']
                    for x in ('labels', 'masks', 'semantic')
                )
            )
            for b in range(s['batch'])
        ]
        noise = [v for k, v in arrays.items() if k.startswith('uniform_')]
        # The gradients are those of these weights, and the losses without.
        self.weights = WEIGHTS
        if s['sample_k'] == 0:  # cross-clip
            self.weights = dict(loss_cls=4.0, loss_mask=0.0, loss_dice=4.0)

        def build(weights):
            return MODELS.build(
                criterion_cfg(
                    s['num_classes'],
                    s['sample_k'] or 1,
                    noise,
                    weights,
                    share_final_matching=s['share_final_matching'],
                    masking_void_pixel=s['masking_void_pixel'],
                )
            )

        self.weighted, self.plain = (
            build(self.weights),
            build(dict.fromkeys(self.weights, 1.0)),
        )


@pytest.fixture(
    params=[
        'wc_criterion_sampled',
        'wc_criterion_all_pixels',
        'wc_criterion_noshare_novoidmask',
        'wc_criterion_more_gt_than_queries',
        'cc_criterion',
    ]
)
def golden(request):
    return GoldenCriterion(request.param)


def test_targets_equal_reference(golden):
    arrays, batch = golden.arrays, range(golden.settings['batch'])
    tubes = index_targets(
        golden.clips,
        golden.settings['num_classes'],
        golden.pred.mask_logits.shape[2:],
    )
    for b in batch:
        assert tubes.labels[b].equal(arrays[f'target{b}_labels'])
        masks = (
            tubes.tube_map[b]
            == torch.arange(1, 1 + len(tubes.labels[b]))[:, None, None, None]
        )
        assert masks.equal(arrays[f'target{b}_masks'].bool())

    targets = assign_tubes(
        golden.plain.matcher,
        golden.pred.cls_logits,
        golden.pred.mask_logits,
        tubes,
    )
    for b in batch:
        query, gt = arrays[f'match{b}_query'], arrays[f'match{b}_gt']
        found = targets.mask_weights[b].nonzero()[:, 0]
        assert found.equal(query)
        for q, g in zip(query, gt):
            assert (targets.query_map[b] == q).equal(
                arrays[f'target{b}_masks'][g].bool()
            )
        assert_parity(
            targets.cls_weights[b, query], arrays[f'match{b}_mask_similarity']
        )
        assert_parity(
            targets.mask_weights[b, query], arrays[f'match{b}_class_prob']
        )
    assert targets.labels.equal(arrays['processed_labels'])
    is_void = targets.query_map == golden.settings['num_queries']
    assert is_void.equal(arrays['processed_void_mask'].bool())
    for name, value in dict(
        pq_loss_mask_weight=targets.mask_weights,
        pq_loss_class_weight=targets.cls_weights,
        inverse_gt_mask_area=targets.log_inverse_areas.exp().view_as(
            targets.query_map
        ),
    ).items():
        assert_parity(value, arrays[f'processed_{name}'])


def test_losses_equal_reference(golden):
    losses = golden.plain(golden.pred, golden.semantic, golden.clips)
    expected = golden.settings['losses_unweighted']
    assert len(losses) == len(expected)
    for name, loss in losses.items():
        prefix, _, short = name.rpartition('.')
        suffix = prefix.replace('d', '_')
        torch.testing.assert_close(
            loss.item(),
            expected[REFERENCE_NAMES[short] + suffix],
            rtol=1e-4,
            atol=0,
        )


def test_gradients_equal_reference(golden):
    losses = golden.weighted(golden.pred, golden.semantic, golden.clips)
    sum(v for k, v in losses.items() if '.' not in k).backward()
    names = [k for k in golden.arrays if k.startswith('grad_')]
    assert len(names) == (4 if golden.semantic is not None else 2)
    for name in names:
        grad = golden.leaves[name.replace('grad_', 'in_')].grad
        if name == 'grad_pred_masks':  # stored is every other query
            grad = grad[:, ::2]
        expected = golden.arrays[name]
        torch.testing.assert_close(
            grad, expected, rtol=1e-4, atol=1e-5 * expected.std().item()
        )


def random_prediction(
    random,
    batch,
    num_queries,
    num_classes,
    size,
    dtype=torch.float64,
    scale=3.0,
):
    """Class logits, mask logits and embeddings that want gradients."""

    def draw(*shape):
        return torch.randn(shape, generator=random, dtype=dtype)

    tensors = (
        draw(batch, num_queries, num_classes + 1),
        draw(batch, num_queries, *size) * scale,
        F.normalize(draw(batch, 6, *size), dim=1),
    )
    return tuple(x.requires_grad_() for x in tensors)


def resized(x, size):
    """Resize in the words of the reference."""
    if x.shape[2:] == size:
        return x
    return F.interpolate(
        x, size, mode='trilinear', align_corners=size[-1] % 2 == 1
    )


@pytest.mark.parametrize(
    'size, num_tubes, options',
    [
        ((2, 7, 9), (4, 0, 9), {}),  # without any, and more than queries
        ((1, 6, 10), (3,), {}),
        ((3, 5, 7), (5, 2), dict(share_final_matching=False)),
        ((2, 6, 8), (3, 4), dict(masking_void_pixel=False)),
        ((1, 4, 5), (0, 0), {}),
    ],
)
def test_equals_plain_formulas(size, num_tubes, options, monkeypatch):
    # Work is split in many pieces, none of them even.
    kmax = 'projects.maxtron.models.segmenters.kmax'
    monkeypatch.setattr(f'{kmax}.tube_softmax._PIECE', 7 * size[2] * 2)
    monkeypatch.setattr(f'{kmax}.losses._BLOCK', 9)
    num_classes, num_queries, batch = 5, 7, len(num_tubes)
    share = options.get('share_final_matching', True)
    mask_void = options.get('masking_void_pixel', True)
    random = torch.Generator().manual_seed(sum(size))
    clips = [
        random_clip(b, num, num_classes, size)
        if num
        else random_clip(b, 1, num_classes, size, void=2.0)
        for b, num in enumerate(num_tubes)
    ]
    clips = [
        (
            labels[:num],
            masks[:num],
            semantic if num else torch.full_like(semantic, -1),
        )
        for (labels, masks, semantic), num in zip(clips, num_tubes)
    ]
    low = (size[0], (size[1] + 1) // 2, (size[2] + 1) // 2)
    outputs = [
        random_prediction(random, batch, num_queries, num_classes, s)
        for s in (size, low, size)
    ]
    # Some pixels are so certain that their loss is zero and is not counted.
    with torch.no_grad():
        outputs[0][1][:, :, 0, 0] *= 100
    semantic_logits = torch.randn(
        (batch, num_classes + 1, *size), generator=random, dtype=torch.float64
    ).requires_grad_()
    num_pixels = torch.Size(size).numel()
    num_points = num_pixels * 4 // 5  # more than have a tube
    noise = torch.rand(
        (4, batch, num_pixels), generator=random, dtype=torch.float64
    )

    criterion = MODELS.build(
        criterion_cfg(
            num_classes,
            num_points,
            noise,
            dict.fromkeys(WEIGHTS, 1.0),
            **options,
        )
    )
    losses = criterion(
        prediction(*outputs[0], aux=outputs[1:]),
        semantic_logits,
        [pack_masks(*clip) for clip in clips],
    )

    expected, targets = {}, None
    labels, masks, semantic = zip(*clips)
    order = iter(noise)
    for i, (cls_logits, *maps) in enumerate(outputs):
        maps = [resized(x, size) for x in maps]
        if targets is None or not share:
            with torch.no_grad():
                targets = targets_of(
                    cls_logits, maps[0], labels, masks, mask_void
                )

        def draw(temperature):
            return sample(
                targets['inverse_area'],
                targets['void'],
                num_points,
                temperature,
                next(order),
            )

        found = naive_losses(
            cls_logits, maps[0], targets, maps[1], draw(1.8), mask_void
        )
        if i == 0:
            truth = torch.stack(semantic)
            truth[truth < 0] = num_classes
            found['loss_semantic'] = naive_semantic_loss(
                semantic_logits, truth, draw(2.4)
            )
        expected.update({f'd{i - 1}.{k}' if i else k: found[k] for k in found})

    assert losses.keys() == expected.keys()
    for name in losses:
        torch.testing.assert_close(losses[name], expected[name])
    leaves = [x for output in outputs for x in output] + [semantic_logits]
    grads, expected_grads = (
        torch.autograd.grad(sum(v.values()), leaves)
        for v in (losses, expected)
    )
    for grad, expected_grad in zip(grads, expected_grads):
        torch.testing.assert_close(grad, expected_grad, rtol=1e-6, atol=1e-9)


@pytest.fixture
def clip():
    return pack_masks(*random_clip(0, 3, 5, (2, 7, 9)))


def test_half_precision_and_autocast(clip):
    random = torch.Generator().manual_seed(0)
    output = random_prediction(random, 1, 7, 5, (2, 7, 9), torch.float16)
    low = random_prediction(random, 1, 7, 5, (2, 4, 5), torch.float16)
    semantic = torch.randn((1, 6, 2, 7, 9), generator=random).half()
    noise = torch.rand((3, 1, 126), generator=random)
    results = []
    for dtype in (torch.float16, torch.float32):
        criterion = MODELS.build(criterion_cfg(5, 50, noise))
        leaves = [
            x.detach().to(dtype).requires_grad_()
            for x in (*output, *low, semantic)
        ]
        with torch.autocast('cpu', torch.bfloat16):
            losses = criterion(
                prediction(*leaves[:3], aux=[leaves[3:6]]), leaves[6], [clip]
            )
        assert all(x.dtype == torch.float32 for x in losses.values())
        (sum(losses.values()) * 2**10).backward()
        results.append((losses, [x.grad.float() for x in leaves]))
    (losses, grads), (expected, expected_grads) = results
    for name in losses:
        torch.testing.assert_close(losses[name], expected[name])
    for grad, expected_grad in zip(grads, expected_grads):
        torch.testing.assert_close(grad, expected_grad, rtol=2e-3, atol=1e-4)


def test_keeps_little_for_the_backward_pass(clip):
    random = torch.Generator().manual_seed(0)
    clip = pack_masks(*random_clip(0, 3, 5, (2, 48, 64)))
    output, *aux = (
        random_prediction(
            random, 1, 100, 5, (2, 48 // s, 64 // s), torch.float32
        )
        for s in (1, 4, 2)
    )
    criterion = MODELS.build(
        criterion_cfg(
            5,
            500,
            weights=dict.fromkeys(WEIGHTS.keys() - {'loss_semantic'}, 1.0),
        )
    )
    given = {x.data_ptr() for o in (output, *aux) for x in o}
    kept = {}

    def pack(x):
        if x.data_ptr() not in given:
            kept[x.data_ptr()] = x.numel() * x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        losses = criterion(prediction(*output, aux=aux), None, [clip])
    sum(losses.values()).backward()
    logits = output[1].numel() * 4
    # One tensor of probabilities an output would be 3 times ``logits``.
    assert sum(kept.values()) < 0.6 * logits, sum(kept.values()) / logits


def test_diverged_prediction_gives_no_number(clip):
    random = torch.Generator().manual_seed(0)
    output = random_prediction(random, 1, 7, 5, (2, 7, 9), torch.float32)
    with torch.no_grad():
        output[1].fill_(float('nan'))
    criterion = MODELS.build(
        criterion_cfg(5, 50, weights=dict(loss_cls=1.0, loss_dice=1.0))
    )
    losses = criterion(prediction(*output), None, [clip])
    assert losses.keys() == {'loss_cls', 'loss_dice'}
    assert losses['loss_dice'].isnan()


@pytest.mark.parametrize('missing', ['mask_feats', 'semantic'])
def test_losses_of_nothing_are_errors(clip, missing):
    random = torch.Generator().manual_seed(0)
    output = random_prediction(random, 1, 7, 5, (2, 7, 9), torch.float32)
    criterion = MODELS.build(criterion_cfg(5, 50))
    if missing == 'mask_feats':
        output = output[:2]
    with pytest.raises(ValueError, match=missing):
        criterion(prediction(*output), None, [clip])
