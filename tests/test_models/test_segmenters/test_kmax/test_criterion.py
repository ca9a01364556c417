# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS

from tests.test_models.clips import pack_masks, random_clip
from tests.test_models.test_segmenters.test_kmax.criteria import (
    WEIGHTS,
    criterion_cfg,
    prediction,
)
from tests.test_models.test_segmenters.test_kmax.naive_criterion import (
    naive_losses,
    naive_semantic_loss,
    sample,
    targets_of,
)

KMAX = 'projects.maxtron.models.segmenters.kmax'


def random_prediction(
    random,
    batch,
    num_queries,
    num_classes,
    size,
    dtype=torch.float64,
    scale=3.0,
):
    """Class logits, mask logits and embeddings that require gradients."""

    def draw(*shape):
        return torch.randn(shape, generator=random, dtype=dtype)

    tensors = (
        draw(batch, num_queries, num_classes + 1),
        draw(batch, num_queries, *size) * scale,
        F.normalize(draw(batch, 6, *size), dim=1),
    )
    return tuple(x.requires_grad_() for x in tensors)


def resized(x, size):
    """Resize as the reference does."""
    if x.shape[2:] == size:
        return x
    return F.interpolate(
        x, size, mode='trilinear', align_corners=size[-1] % 2 == 1
    )


def random_clips(num_tubes, num_classes, size):
    """Ground truth of clips with these numbers of tubes, which may be 0."""
    for b, num in enumerate(num_tubes):
        void = {} if num else dict(void=2.0)
        labels, masks, semantic = random_clip(
            b, num or 1, num_classes, size, **void
        )
        if not num:
            semantic = torch.full_like(semantic, -1)
        yield labels[:num], masks[:num], semantic


def naive_losses_of_layers(
    outputs, semantic_logits, clips, noise, num_points, share, mask_void
):
    """Losses by the plain formulas, by the names of the criterion.

    Args:
        outputs: Class logits, mask logits and pixel features per layer; the
            last layer comes first.
        semantic_logits (Tensor): (B, C + 1, T, H, W).
        clips: Labels, masks and semantic map per clip.
        noise (Tensor): (draws, B, pixels), used in this order.
        num_points (int): Pixels that a draw takes.
        share (bool): Whether all layers use the targets of the last one.
        mask_void (bool): Whether void pixels are left out.
    """
    size = semantic_logits.shape[2:]
    num_classes = semantic_logits.shape[1] - 1
    labels, masks, semantic = zip(*clips)
    order = iter(noise)
    expected, targets = {}, None
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
    return expected


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
    monkeypatch.setattr(f'{KMAX}.tube_softmax._PIECE', 7 * size[2] * 2)
    monkeypatch.setattr(f'{KMAX}.losses._BLOCK', 9)
    num_classes, num_queries, batch = 5, 7, len(num_tubes)
    random = torch.Generator().manual_seed(sum(size))
    clips = list(random_clips(num_tubes, num_classes, size))
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

    weights = dict.fromkeys(WEIGHTS, 1.0)
    criterion = MODELS.build(
        criterion_cfg(num_classes, num_points, noise, weights, **options)
    )
    losses = criterion(
        prediction(*outputs[0], aux=outputs[1:]),
        semantic_logits,
        [pack_masks(*clip) for clip in clips],
    )
    expected = naive_losses_of_layers(
        outputs,
        semantic_logits,
        clips,
        noise,
        num_points,
        share=options.get('share_final_matching', True),
        mask_void=options.get('masking_void_pixel', True),
    )
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


def test_keeps_little_for_the_backward_pass(clip, monkeypatch):
    # Similarities of few pixels are kept, but not those of thousands.
    monkeypatch.setattr(f'{KMAX}.losses._BLOCK', 99)
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
