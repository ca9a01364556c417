# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import KMaXSemanticHead, KMaXTransformerDecoder

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.models import ROOT, build
from tests.parity import assert_norm_parity, assert_parity, load_case, weights
from tools.model_converters.rules import vps

# Channels of the features in the golden cases.
MEMORIES = dict(os32=('res5', 2048), os16=('res4', 1024), os8=('res3', 512))
SEMANTIC = dict(res2=256, res3=512, res4=None, res5=2048)


def train_with_running_statistics(module):
    """All predictions of training, but the numbers of evaluation."""
    module.train()
    for child in module.modules():
        if isinstance(child, (_BatchNorm, DropPath)):
            child.eval()


def golden(name, dtype):
    """Case, modules and features."""
    case = load_case(name, 'vps')
    settings = case.settings
    modules = nn.ModuleDict(
        dict(
            transformer_decoder=KMaXTransformerDecoder(
                settings['num_classes'],
                settings['in_channels'],
                num_queries=settings['num_queries'],
                num_layers=settings['layers'],
            ),
            semantic_head=KMaXSemanticHead(
                settings['num_classes'], dropout=0.0
            ),
        )
    ).to(dtype)
    modules.load_state_dict(case.state, strict=True)

    def feature(key, level, channels):
        shape = (
            settings['clips'] * settings['frames_per_clip'],
            channels,
            *settings['map_sizes'][level],
        )
        array = weights.tensor(f'decoder.{key}', shape, case.info['seed'])
        return torch.from_numpy(array).to(dtype)

    memories = [feature(key, *of) for key, of in MEMORIES.items()]
    semantic = [
        channels and feature(f'sem_{level}', level, channels)
        for level, channels in SEMANTIC.items()
    ]
    return case, modules, feature('os4', 'res2', 256), memories, semantic


def check_aux(pred, out, step, check):
    """Compare the stored layers: masks of every step-th query."""
    assert len(pred.aux) == 6
    size = pred.mask_logits.shape[2:]
    for i, (cls_logits, mask_logits, mask_feats) in enumerate(pred.aux):
        # the reference resizes them in the decoder, the criterion does here
        mask_logits, mask_feats = (
            F.interpolate(
                x, size, mode='trilinear', align_corners=size[-1] % 2 == 1
            )
            for x in (mask_logits, mask_feats)
        )
        for key, actual in (
            (f'aux{i}_pred_logits', cls_logits),
            (f'aux{i}_pred_masks', mask_logits[:, ::step]),
            (f'aux{i}_pixel_feature', mask_feats[:, ::32]),
        ):
            if key in out:
                check(actual, out[key])


def check_last(pred, out, step, check):
    """Compare the prediction, pixel embeddings of every step-th channel."""
    check(pred.cls_logits, out['pred_logits'])
    check(pred.mask_logits, out['pred_masks'])
    check(pred.embeds, out['pred_mask_embeddings'])
    check(pred.queries, out['cluster_centers'])
    check(pred.mask_feats[:, ::step], out['pixel_feature'])


@pytest.mark.slow
def test_decoder_equals_reference():
    case, modules, mask_feature, memories, _ = golden(
        'transformer_decoder', torch.float32
    )
    decoder = modules['transformer_decoder']
    with torch.no_grad():
        pred = decoder.eval()(mask_feature, memories, 2)
        assert pred.aux == []
        train_with_running_statistics(decoder)
        layers = decoder(mask_feature, memories, 2)
    check_last(pred, case.outputs, 16, assert_parity)
    check_aux(layers, case.outputs, 4, assert_parity)


@pytest.mark.slow
def test_decoder_trains_as_the_reference():
    case, modules, mask_feature, memories, semantic = golden(
        'transformer_decoder_train', torch.float64
    )
    out = case.outputs
    pred = modules['transformer_decoder'](mask_feature, memories, 2)
    check_last(pred, out, 16, assert_norm_parity)
    check_aux(pred, out, 4, assert_norm_parity)
    logits = modules['semantic_head'](semantic, 2)
    assert_norm_parity(logits.flatten(2, 3), out['aux_semantic_pred'])

    weight = weights.tensor(
        'decoder.gout', pred.mask_logits.shape, case.info['seed']
    )
    loss = (pred.mask_logits * torch.from_numpy(weight)).sum()
    (loss + (pred.cls_logits**2).mean()).backward()
    state = modules.state_dict()
    num_norms = 0
    for key, expected in out.items():
        kind, _, name = key.partition('.')
        name = vps.rename(f'sem_seg_head.predictor.{name}')
        name = name.removeprefix('head.segmenter.')
        if kind == 'after':
            assert_norm_parity(state[name].view_as(expected), expected)
        elif kind == 'gradnorm':
            grad = modules.get_parameter(name).grad
            norm = 0 if grad is None else grad.norm().item()
            assert norm == pytest.approx(expected.item(), rel=1e-4)
            num_norms += 1
    assert num_norms == 6


@pytest.mark.slow
def test_whole_model_equals_reference():
    case = load_case('maxtron_wc_r50_clip', 'vps')
    cfg = Config.fromfile(
        ROOT / 'configs/_base_/models/maxtron-nearonline_video-kmax_r50.py'
    )
    cfg.model.head.segmenter.criterion = None
    model = build(cfg.model).double()
    model.load_state_dict(case.state, strict=True)
    out = case.outputs
    images = (out['image'].double() - 127.5) / 127.5  # RGB
    with torch.no_grad():
        for i, feat in enumerate(model.backbone(images)):
            assert_norm_parity(feat[:, ::32], out[f'backbone_res{i + 2}'])
        feats = model.extract_feat(images[None])
        segmenter = model.head.segmenter
        pred = segmenter(feats, 2)
        train_with_running_statistics(segmenter)
        layers = segmenter(feats, 2)
    check_last(pred, out, 4, assert_norm_parity)
    check_aux(layers, out, 16, assert_norm_parity)

    best = out['pred_masks'].topk(2, dim=1)[0]  # (1, 2, T, h, w)
    is_tie = best[:, 0] - best[:, 1] < 1e-4
    differ = pred.mask_logits.argmax(1) != out['pred_masks'].argmax(1)
    assert not (differ & ~is_tie).any()
    print(
        f'{is_tie.sum()} ties and {differ.sum()} differences among '
        f'{differ.numel()} pixels'
    )


def tiny_head(**kwargs):
    """A small head whose branches are all open."""
    torch.manual_seed(0)
    head = build(
        dict(
            type='VideoKMaXHead',
            num_classes=5,
            in_channels=(8, 16, 24, 32),
            num_queries=9,
            pixel_decoder=dict(
                type='KMaXPixelDecoder',
                base_channels=(16, 16, 8, 8),
                num_blocks=(1, 1, 1, 1),
                num_heads=4,
            ),
            transformer_decoder=dict(
                type='KMaXTransformerDecoder',
                in_channels=(64, 64, 32),
                mask_channels=32,
                num_layers=(1, 2, 1),
                embed_dims=32,
                key_channels=16,
                out_channels=12,
                feedforward_channels=48,
                num_heads=4,
            ),
            semantic_head=dict(
                type='KMaXSemanticHead',
                channels=16,
                low_level_channels=(8, 4),
                dilations=(2,),
                dropout=0.0,
            ),
            **kwargs,
        )
    )
    for parameter in head.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return head


def features(num_frames, size=(65, 97)):
    generator = torch.manual_seed(1)
    return [
        torch.randn(
            (
                num_frames,
                channels,
                size[0] // stride + 1,
                size[1] // stride + 1,
            ),
            generator=generator,
        )
        for channels, stride in zip((8, 16, 24, 32), (4, 8, 16, 32))
    ]


def test_batch_of_two_is_two_batches_of_one():
    head = tiny_head().double()
    feats = [feat.double() for feat in features(4)]
    pred = head(feats, 2)
    clips = [head([feat[i : i + 2] for feat in feats], 2) for i in (0, 2)]
    for key in (
        'cls_logits',
        'mask_logits',
        'queries',
        'embeds',
        'mask_feats',
    ):
        torch.testing.assert_close(
            getattr(pred, key),
            torch.cat([getattr(clip, key) for clip in clips]),
        )
    logits = head.semantic_head(feats, 2)
    assert logits.shape == (2, 6, 2, 17, 25)
    torch.testing.assert_close(
        logits[1:], head.semantic_head([feat[2:] for feat in feats], 2)
    )


@pytest.mark.parametrize('num_frames', [1, 3])
def test_shapes(num_frames):
    head = tiny_head()
    feats = features(2 * num_frames, (40, 70))  # no size of the paper
    with torch.no_grad():
        pred = head(feats, num_frames)
    size = feats[0].shape[-2:]
    assert pred.cls_logits.shape == (2, 9, 6)
    assert pred.mask_logits.shape == (2, 9, num_frames, *size)
    assert pred.queries.shape == (2, 9, 32)
    assert pred.embeds.shape == (2, 9, 12)
    assert pred.mask_feats.shape == (2, 12, num_frames, *size)
    torch.testing.assert_close(
        pred.mask_feats.norm(dim=1), torch.ones(2, num_frames, *size)
    )


def test_what_a_tracker_asks_for():
    """The tracker copies the last heads; pixels work without queries."""
    head, feats = tiny_head(), features(4)
    heads = head.build_tracker_heads().eval()
    source = getattr(head, heads.copied_from).state_dict()
    heads.load_state_dict({key: source[key] for key in heads.state_dict()})
    with torch.no_grad():
        pred = head(feats, 2)
        cls_feats, embeds = heads.project(pred.queries)
        assert embeds.equal(pred.embeds)
        assert heads.classify(cls_feats).equal(pred.cls_logits)
        assert heads.segment(embeds, pred.mask_feats).equal(pred.mask_logits)
        for layer in head.transformer_decoder.layers:
            layer.register_forward_hook(lambda *_: pytest.fail('is run'))
        assert head.mask_features(feats, 2).equal(pred.mask_feats)
    assert head.shared_with_tracker == ()


def test_evaluation_does_without_semantics_and_classes_of_layers():
    head = tiny_head()
    unused = [head.semantic_head]
    unused += [
        layer.predictor.cls_embed for layer in head.transformer_decoder.layers
    ]
    for module in unused:
        module.register_forward_hook(lambda *_: pytest.fail('is computed'))
    assert head(features(2), 2).aux == []


def criterion():
    def sampler(temperature):
        return dict(
            type='GumbelPixelSampler', num_points=64, temperature=temperature
        )

    return dict(
        type='KMaXCriterion',
        loss_cls=dict(type='PQClassLoss'),
        loss_dice=dict(type='TubeDiceLoss'),
        loss_mask=dict(type='TubeCrossEntropyLoss'),
        loss_pixel=dict(type='PixelInstanceLoss', sampler=sampler(1.8)),
        loss_semantic=dict(type='AuxiliarySemanticLoss', sampler=sampler(2.4)),
    )


def ground_truth(num_frames, size):
    """A clip of four tubes, one in each quarter, and some unlabelled rows."""
    ids = torch.arange(1, 5, dtype=torch.int32).view(2, 2)
    ids = F.interpolate(ids[None, None].float(), size)[0].int()
    ids[:, :2] = 0
    labels = torch.tensor([255, 0, 3, 4, 4])
    clip = TrackDataSample()
    clip.video_data_samples = [
        DetDataSample(
            gt_panoptic_seg=PixelData(sem_seg=ids),
            gt_sem_seg=PixelData(sem_seg=labels[ids.long()]),
            gt_instances=InstanceData(
                instances_ids=torch.arange(1, 5), labels=labels[1:]
            ),
        )
        for _ in range(num_frames)
    ]
    return clip


@pytest.mark.parametrize('num_frames', [1, 2])
def test_losses_reach_every_parameter(num_frames):
    head = tiny_head(criterion=criterion()).train()
    feats = features(2 * num_frames)
    clips = [ground_truth(num_frames, feats[0].shape[-2:])] * 2
    losses = head.loss(feats, clips)
    assert set(losses) == {'loss_semantic'} | {
        f'{layer}loss_{kind}'
        for layer in ('', 'd0.', 'd1.', 'd2.', 'd3.')
        for kind in ('cls', 'dice', 'mask', 'pixel')
    }
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A softmax over the queries takes no notice of what all have.
        if not name.endswith('mask_norm.bias'):
            assert parameter.grad.any(), name
    head.criterion.loss_semantic = None
    others = head.loss_by_pred(head(feats, num_frames), clips)
    assert others.keys() == losses.keys() - {'loss_semantic'}
    head.semantic_head = None
    assert head.loss(feats, clips).keys() == others.keys()


def test_training_without_a_criterion():
    head = tiny_head()
    with pytest.raises(ValueError, match='segmenter.criterion'):
        head.loss(features(2), [ground_truth(2, (17, 25))])


def test_one_image_is_too_few_for_the_batch_norm_of_aspp():
    head = tiny_head(criterion=criterion()).train()
    feats = features(1)
    with pytest.raises(ValueError, match='needs two frames.*batch_size'):
        head.loss(feats, [ground_truth(1, feats[0].shape[-2:])])


def test_levels_without_layers():
    message = r'3 feature maps.*num_layers=\(2, 2\)'
    with pytest.raises(ValueError, match=message):
        KMaXTransformerDecoder(5, num_layers=(2, 2))


def test_initial_cluster_centers():
    """A standard normal distribution cut at 2, as in the reference."""
    torch.manual_seed(0)
    decoder = KMaXTransformerDecoder(5, num_layers=(0, 0, 0))
    centers = decoder.cluster_centers.weight
    assert centers.shape == (256, 128)
    assert 1.9 < centers.abs().max() <= 2
    assert centers.std().item() == pytest.approx(0.8796, rel=0.02)
