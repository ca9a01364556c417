# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.segmenters import index_targets
from projects.maxtron.models.segmenters.kmax import assign_tubes

import pytest
import torch
from mmdet.registry import MODELS

from tests.parity import assert_parity, load_case
from tests.test_models.clips import pack_masks
from tests.test_models.test_segmenters.test_kmax.criteria import (
    REFERENCE_NAMES,
    WEIGHTS,
    criterion_cfg,
    prediction,
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
        # Gradients of the case are weighted, its losses are not.
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
