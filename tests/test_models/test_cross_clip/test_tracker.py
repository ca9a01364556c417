# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import CrossClipTracker
from projects.maxtron.models.association import align_queries

import pytest
import torch
from mmengine.config import Config

from tests.models import ROOT, build, model_cfg
from tests.parity import assert_parity, load_case, weights
from tools.model_converters.rules import vps

VPS_CASES = (
    'cross_clip_module_eval',
    'cross_clip_module_single_clip_eval',
    'cross_clip_module_rates135_nonorm_eval',
)


def panoptic_head(case):
    """Head with the tracker and the heads of a golden case."""
    settings = case.settings
    cfg = Config.fromfile(
        ROOT / 'configs/_base_/models/maxtron-offline_video-kmax_r50.py'
    )
    head = cfg.model.head
    head.segmenter.num_classes = settings['num_classes']
    # Nothing of the segmenter is run but the widths of its queries matter.
    head.segmenter.in_channels = [8] * 4
    head.segmenter.pixel_decoder.update(
        base_channels=(8,) * 4, num_blocks=(1,) * 4
    )
    head.segmenter.transformer_decoder.update(
        in_channels=(32,) * 3, mask_channels=32, num_layers=(1, 1, 1)
    )
    head.test_cfg.thing_labels = []
    head.tracker.num_layers = settings['layers']
    head.tracker.aspp = dict(
        rates=settings['atrous_rates'],
        kernel_sizes=settings['kernel_sizes'],
        norm=dict(ln='LN', none=None)[settings['norm']],
    )
    head = build(head)
    report = head.load_state_dict(case.state, strict=False)
    assert not report.unexpected_keys
    assert all(key.startswith('segmenter.') for key in report.missing_keys)
    return head


def panoptic_inputs(case):
    """Queries (B, K, Q, D) and pixel embeddings (B, K, E, T, h, w)."""
    s = case.settings
    shape = (
        s['batch'],
        128,
        s['clips'] * s['frames_per_clip'],
        s['height'],
        s['width'],
    )
    pixels = torch.from_numpy(
        weights.tensor('cross_clip.pixel', shape, case.info['seed'])
    )
    pixels = pixels / pixels.norm(dim=1, keepdim=True)
    torch.testing.assert_close(pixels[:, ::16], case.outputs['pixel_feature'])
    return (
        case.outputs['queries'].transpose(1, 2),
        pixels.unflatten(2, (s['clips'], -1)).transpose(1, 2),
    )


def predict(head, queries, mask_feats):
    """Classes and masks after every layer, the last one last."""
    return [head._predict_video(x, mask_feats) for x in head.tracker(queries)]


def check_layers(layers, out):
    *aux, (cls_logits, masks) = layers
    assert_parity(cls_logits, out['pred_logits'])
    assert_parity(masks, out['pred_masks'])
    assert f'aux{len(aux)}_pred_logits' not in out
    for i, (cls_logits, masks) in enumerate(aux):
        assert_parity(cls_logits, out[f'aux{i}_pred_logits'])
        assert_parity(masks[:, ::4], out[f'aux{i}_pred_masks'])


@pytest.mark.slow
@pytest.mark.parametrize('name', VPS_CASES)
def test_panoptic_equals_reference(name):
    case = load_case(name, 'vps')
    with torch.no_grad():
        layers = predict(panoptic_head(case), *panoptic_inputs(case))
    check_layers(layers, case.outputs)


def test_panoptic_trains_as_the_reference():
    case = load_case('cross_clip_module_train', 'vps')
    head = panoptic_head(case).train()
    layers = predict(head, *panoptic_inputs(case))
    check_layers(layers, case.outputs)
    cls_logits, masks = layers[-1]
    weight = torch.from_numpy(
        weights.tensor('cross_clip.gout', masks.shape, case.info['seed'])
    )
    ((masks * weight).sum() + (cls_logits**2).mean()).backward()
    state, num_norms = head.state_dict(), 0
    for key, expected in case.outputs.items():
        kind, _, name = key.partition('.')
        name = vps.rename(f'cross_clip_tracking_module.{name}')
        name = name.removeprefix('head.')
        if kind == 'after':
            torch.testing.assert_close(
                state[name].view_as(expected), expected, rtol=1e-4, atol=1e-6
            )
        elif kind == 'gradnorm':
            norm = head.get_parameter(name).grad.norm().item()
            assert norm == pytest.approx(expected.item(), rel=1e-4)
            num_norms += 1
    trained = [*head.tracker.parameters(), *head.tracker_heads.parameters()]
    # Softmax and batch norm make those of cls_weight.bias and of the last
    # norm2.bias zero but for rounding.
    assert num_norms == len(trained) - 2


def test_instance_equals_reference():
    case = load_case('d_cross_clip')
    s, out = case.settings, case.outputs
    cfg = model_cfg('maxtron-offline_tube-link_r50', s['num_classes'])
    cfg.head.tracker.num_layers = s['num_cc_layers']
    head = build(cfg.head)
    report = head.load_state_dict(case.state, strict=False)
    assert not report.unexpected_keys
    assert all(key.startswith('segmenter.') for key in report.missing_keys)
    mask_feats = case.inputs['mask_features'].unflatten(1, (s['clips'], -1))
    mask_feats = mask_feats.transpose(2, 3)  # (B, K, C, T, h, w)
    with torch.no_grad():
        raw = list(out['raw_queries'][:, None])
        queries = align_queries(raw, raw)
        torch.testing.assert_close(queries[0], out['aligned'], rtol=0, atol=0)
        attended = []
        for layer in head.tracker.layers:
            layer.norm1.register_forward_hook(
                lambda *args: attended.append(args[-1])
            )
        layers = head.tracker(queries)
        for i, x in enumerate(layers):
            assert_parity(attended[i][0], out[f'traj_{i}'])
            assert_parity(x[0], out[f'layer_{i}'])
            normed = head.segmenter.project(x)[0]
            weight = head.tracker.cls_weight(normed).softmax(1)
            assert_parity(weight[0, ..., 0], out['clip_weight'][i])
            cls_logits, masks = head._predict_video(x, mask_feats)
            assert_parity(cls_logits[0], out[f'cls_{i}'])
            if i < len(layers) - 1:
                assert_parity(masks[0].mean((1, 2, 3)), out[f'mask_mean_{i}'])
                assert_parity(
                    masks[0].std((0, 2, 3)), out[f'mask_frame_std_{i}']
                )
    assert_parity(masks[0].transpose(0, 1), out['mask_last'])


def tracker(**kwargs):
    kwargs = dict(dict(embed_dims=16, num_layers=2, num_heads=2), **kwargs)
    return CrossClipTracker(**kwargs).eval()


def test_videos_of_a_batch_do_not_mix():
    torch.manual_seed(0)
    model = tracker()
    torch.nn.init.normal_(model.cls_weight.weight)
    videos = torch.randn(3, 4, 5, 16)
    together = model(videos)
    for i, video in enumerate(videos.split(1)):
        for a, b in zip(together, model(video)):
            torch.testing.assert_close(a[i : i + 1], b)
        torch.testing.assert_close(
            model.pool_over_clips(videos)[i : i + 1],
            model.pool_over_clips(video),
        )


def test_the_order_of_queries_does_not_matter():
    """No positional encoding: a permutation goes through."""
    torch.manual_seed(0)
    model, queries = tracker(), torch.randn(1, 3, 6, 16)
    order = torch.randperm(6)
    for a, b in zip(model(queries[:, :, order]), model(queries)):
        torch.testing.assert_close(a, b[:, :, order])


def test_weights_of_clips():
    torch.manual_seed(0)
    model, feats = tracker(), torch.randn(2, 4, 3, 16)
    # at first all clips count about the same
    torch.testing.assert_close(
        model.pool_over_clips(feats), feats.mean(1), atol=0.05, rtol=0
    )
    torch.nn.init.zeros_(model.cls_weight.weight)
    model.cls_weight.weight.data[0, 0] = 100.0
    best = feats[..., 0].argmax(1)  # (B, Q)
    expected = feats.take_along_dim(best[:, None, :, None], 1)[:, 0]
    torch.testing.assert_close(
        model.pool_over_clips(feats), expected, atol=1e-2, rtol=0
    )


@pytest.mark.parametrize(
    'changes',
    [
        dict(),
        dict(attention='self'),
        dict(aspp=None),
        dict(attention='self', aspp=None),
        dict(aspp=dict(rates=(1, 2, 5))),
        dict(aspp=dict(rates=(1, 3, 5), norm=None)),
        dict(aspp=dict(rates=(2,), kernel_sizes=(5,), drop=0.5)),
        dict(num_layers=6),
    ],
    ids=str,
)
def test_variants_train(changes):
    """Every row of Table 6; all that is built gets a gradient."""
    torch.manual_seed(0)
    model = tracker(**changes).train()
    queries = torch.randn(2, 3, 4, 16, requires_grad=True)
    layers = model(queries)
    assert len(layers) == changes.get('num_layers', 2)
    assert {x.shape for x in layers} == {queries.shape}
    weight = torch.randn(2, 4, 16)
    sum((model.pool_over_clips(x) * weight).sum() for x in layers).backward()
    assert queries.grad.abs().sum() > 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize(
    'changes',
    [dict(), dict(attention='self', aspp=dict(norm=None)), dict(aspp=None)],
    ids=str,
)
def test_zero_init_passes_the_queries_on(changes):
    """At first there are the layer norms alone; a step leaves zero."""
    torch.manual_seed(0)
    model = tracker(zero_init_residual=True, **changes)
    queries = 3 * torch.randn(2, 3, 4, 16) + 1
    normed = torch.nn.functional.layer_norm(queries, (16,))
    layers = model(queries)
    for layer in layers:
        # A norm of what is normed differs by its epsilon only.
        torch.testing.assert_close(layer, normed, atol=1e-4, rtol=1e-4)
    (layers[-1] * torch.randn_like(queries)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    layers = model(queries)
    for before, layer in zip((normed, *layers), layers):
        assert (layer - before).abs().max() > 1e-3


def test_gradients_are_cut_between_chunks():
    """The outputs stay, and so does the memory until the backward pass."""
    results = []
    for truncate in (None, 2):
        torch.manual_seed(0)
        model, saved = tracker(truncate=truncate), []
        queries = torch.randn(1, 5, 4, 16, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, saved=saved: saved.append(x.nbytes) or x, lambda x: x
        ):
            layers = model(queries)
        sum(x[:, 2:4].square().sum() for x in layers).backward()
        results.append((layers, sum(saved), queries.grad.norm(dim=(2, 3))[0]))
    (plain, memory, _), (chunked, less, gradient) = results
    for a, b in zip(plain, chunked, strict=True):
        torch.testing.assert_close(a, b)
    assert less <= memory
    assert (gradient > 0).tolist() == [False, False, True, True, False]


def test_variants_differ():
    queries = torch.randn(1, 8, 4, 16)
    outputs = []
    for changes in (
        dict(),
        dict(attention='self'),
        dict(aspp=None),
        dict(aspp=dict(rates=(1, 2, 5))),
    ):
        torch.manual_seed(0)
        outputs.append(tracker(num_layers=1, **changes)(queries)[0])
    for i, a in enumerate(outputs):
        for b in outputs[:i]:
            assert (a - b).abs().max() > 1e-3


def test_matrices_begin_xavier_uniform():
    """q, k and v as three square matrices, not as one of 3 C rows."""
    bound = (6 / (64 + 64)) ** 0.5
    attention = tracker(embed_dims=64).layers[0].attn
    for matrix in (
        *attention.qkv.weight.chunk(3),
        attention.proj.weight,
        attention.proj_q.weight,
    ):
        assert 0.99 * bound < matrix.abs().max() <= bound
        assert matrix.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    kv_bound = (6 / (64 + 128)) ** 0.5
    assert 0.99 * kv_bound < attention.proj_kv.weight.abs().max() <= kv_bound


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(num_layers=0), 'num_layers=0 .* at least 1'),
        (dict(truncate=0), 'truncate=0 .* at least 1'),
        (dict(attention='axial'), r"attention='axial'.*'self', 'trajectory'"),
        (dict(num_heads=3), 'embed_dims=16 cannot be split'),
        (
            dict(aspp=dict(rate=(1, 2))),
            r"no argument \['rate'\].*kernel_sizes",
        ),
        (dict(aspp=dict(rates=(1, 2))), 'one entry for each'),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        tracker(**changes)


@pytest.mark.parametrize(
    'shape, message',
    [
        ((1, 3, 4, 8), 'width of the queries'),
        ((3, 4, 16), 'shape'),
        ((1, 0, 4, 16), 'at least one video, one clip'),
    ],
)
def test_bad_queries(shape, message):
    with pytest.raises(ValueError, match=message):
        tracker()(torch.zeros(shape))
