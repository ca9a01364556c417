# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import ClipPrediction
from projects.maxtron.models.losses import assign_tubes, tube_targets
from projects.maxtron.models.task_modules import GumbelPixelSampler

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS, TASK_UTILS

from tests.parity import assert_parity, load_case
from tests.test_models.test_losses.clips import pack_masks, random_clip
from tests.test_models.test_losses.plain_criterion import (
    plain_losses,
    plain_semantic_loss,
    sample,
    targets_of,
)

WEIGHTS = dict(
    loss_cls=4., loss_mask=0.1, loss_dice=5., loss_pixel=1., loss_semantic=1.)
REFERENCE_NAMES = dict(
    loss_cls='loss_ce',
    loss_mask='loss_mask',
    loss_dice='loss_dice',
    loss_pixel='loss_pixel_insdis',
    loss_semantic='loss_aux_semantic')


@TASK_UTILS.register_module()
class RecordedPixelSampler(GumbelPixelSampler):
    """Takes its noise from a list that others may share."""

    def __init__(self, noise: list, **kwargs) -> None:
        super().__init__(**kwargs)
        self.noise = noise

    def uniform_noise(self, like):
        return self.noise.pop(0).clone() if self.noise else super(
        ).uniform_noise(like)


def criterion_cfg(num_classes, num_points, noise=(), weights=WEIGHTS,
                  **kwargs):
    noise = list(noise)

    def sampler(temperature):
        return dict(
            type=RecordedPixelSampler,
            noise=noise,
            num_points=num_points,
            temperature=temperature)

    cfg = dict(
        type='KMaXCriterion',
        num_classes=num_classes,
        loss_cls=dict(type='PQClassLoss'),
        loss_mask=dict(type='TubeCrossEntropyLoss'),
        loss_dice=dict(type='TubeDiceLoss'),
        loss_pixel=dict(type='PixelInstanceLoss', sampler=sampler(1.8)),
        loss_semantic=dict(
            type='AuxiliarySemanticLoss', sampler=sampler(2.4)),
        **kwargs)
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
        aux=list(aux))


class GoldenCriterion:
    """A golden case, its prediction and ground truth."""

    def __init__(self, name):
        case = load_case(name, 'vps')
        self.settings = s = case.settings
        self.arrays = arrays = case.outputs
        self.leaves = {
            k: arrays[k].clone().requires_grad_()
            for k in arrays if k.startswith('in_')
        }
        outputs = []
        for prefix in ['in_'] + [f'in_aux{i}_' for i in range(6)]:
            if f'{prefix}pred_logits' in arrays:
                outputs.append(
                    tuple(
                        self.leaves.get(prefix + name)
                        for name in ('pred_logits', 'pred_masks',
                                     'pixel_feature')))
        self.pred = prediction(*outputs[0], aux=outputs[1:])
        self.semantic = self.leaves.get('in_aux_semantic_pred')
        if self.semantic is not None:
            self.semantic = self.semantic.unflatten(2, (s['frames'], -1))
        self.clips = [
            pack_masks(*(arrays[f'target{b}_{x}']
                         for x in ('labels', 'masks', 'semantic')))
            for b in range(s['batch'])
        ]
        noise = [v for k, v in arrays.items() if k.startswith('uniform_')]
        # The gradients are those of these weights, and the losses without.
        self.weights = WEIGHTS
        if s['sample_k'] == 0:  # cross-clip
            self.weights = dict(loss_cls=4., loss_mask=0., loss_dice=4.)

        def build(weights):
            return MODELS.build(
                criterion_cfg(
                    s['num_classes'],
                    s['sample_k'] or 1,
                    noise,
                    weights,
                    share_final_matching=s['share_final_matching'],
                    masking_void_pixel=s['masking_void_pixel']))

        self.weighted, self.plain = build(self.weights), build(
            dict.fromkeys(self.weights, 1.))


@pytest.fixture(
    params=[
        'wc_criterion_sampled', 'wc_criterion_all_pixels',
        'wc_criterion_noshare_novoidmask',
        'wc_criterion_more_gt_than_queries', 'cc_criterion'
    ])
def golden(request):
    return GoldenCriterion(request.param)


def test_targets_equal_reference(golden):
    arrays, batch = golden.arrays, range(golden.settings['batch'])
    tubes = tube_targets(golden.clips, golden.settings['num_classes'],
                         golden.pred.mask_logits.shape[2:])
    for b in batch:
        assert tubes.labels[b].equal(arrays[f'target{b}_labels'])
        masks = tubes.tube_map[b] == torch.arange(
            1, 1 + len(tubes.labels[b]))[:, None, None, None]
        assert masks.equal(arrays[f'target{b}_masks'].bool())

    targets = assign_tubes(golden.plain.matcher, golden.pred.cls_logits,
                           golden.pred.mask_logits, tubes)
    for b in batch:
        query, gt = arrays[f'match{b}_query'], arrays[f'match{b}_gt']
        found = targets.mask_weights[b].nonzero()[:, 0]
        assert found.equal(query)
        for q, g in zip(query, gt):
            assert (targets.query_map[b] == q).equal(
                arrays[f'target{b}_masks'][g].bool())
        assert_parity(targets.cls_weights[b, query],
                      arrays[f'match{b}_mask_similarity'])
        assert_parity(targets.mask_weights[b, query],
                      arrays[f'match{b}_class_prob'])
    assert targets.labels.equal(arrays['processed_labels'])
    is_void = targets.query_map == golden.settings['num_queries']
    assert is_void.equal(arrays['processed_void_mask'].bool())
    for name, value in dict(
            pq_loss_mask_weight=targets.mask_weights,
            pq_loss_class_weight=targets.cls_weights,
            inverse_gt_mask_area=targets.log_inverse_areas.exp().view_as(
                targets.query_map)).items():
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
            atol=0)


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
            grad, expected, rtol=1e-4, atol=1e-5 * expected.std().item())
