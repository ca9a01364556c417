# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pre-training on COCO, and a video model that starts from it."""

import re

from projects.maxtron.models import ClipPrediction

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.model import BaseModule
from mmengine.runner import Runner

from tests.models import build
from tests.shrinking import shrink
from tests.test_datasets.tiny_coco import COLORS, LABELS, TRUTH, write_coco
from tests.test_datasets.tiny_panoptic import (
    VIDEOS,
    WALL,
    draw_map,
    write_dataset,
)

pytestmark = pytest.mark.slow

pytest.importorskip('panopticapi', reason='CocoPanopticMetric needs it')
COCO = 'configs/kmax/coco/kmax-msda_r50_8xb8-150k_coco-panoptic.py'
VIPSEG = (
    'configs/maxtron/vipseg/'
    'maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg.py'
)
CANVAS = (129, 97)  # width, height


GRASS = LABELS['g']
GRASSLAND = 'gggggg gggggg gggggg ssssss'


@HOOKS.register_module()
class KeepInitialWeights(Hook):
    """Records the weights of a training after load_from.

    Args:
        label (int): Class that all queries predict; their values are known.
    """

    def __init__(self, label):
        self.label = label

    def before_train(self, runner):
        decoder = runner.model.head.segmenter.transformer_decoder
        with torch.no_grad():
            decoder.predictor.cls_embed.conv.bias[self.label] += 9
        self.weights = {
            name: value.clone()
            for name, value in runner.model.state_dict().items()
        }


def train(cfg, label):
    """Train; return the values of the log and the initial weights.

    All queries predict one class, and all pixels belong to a query.
    """
    cfg.custom_hooks.append(dict(type='KeepInitialWeights', label=label))
    cfg.model.head.test_cfg.update(
        pixel_thr=0.01, thing_thr=0.0, stuff_thr=0.0, overlap_thr=0.0
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    scalars = {
        name: buffer.data[0]
        for name, buffer in runner.message_hub.log_scalars.items()
    }
    hook = next(
        hook for hook in runner.hooks if isinstance(hook, KeepInitialWeights)
    )
    return scalars, hook.weights


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """Two iterations of pre-training on COCO, and its evaluation."""
    folder = tmp_path_factory.mktemp('coco')
    write_coco(folder / 'coco', (TRUTH[0], GRASSLAND, TRUTH[2]))
    cfg = shrink(COCO, folder, folder / 'pre-train', num_iters=2)
    scalars, initial = train(cfg, GRASS)
    return cfg, scalars, initial, folder / 'pre-train/iter_2.pth'


def test_trains_on_coco_and_is_measured(pretrained):
    _, scalars, initial, checkpoint = pretrained
    losses = {
        name: values for name, values in scalars.items() if 'loss' in name
    }
    kinds = ('loss_cls', 'loss_mask', 'loss_dice', 'loss_pixel')
    assert losses.keys() == {
        f'train/{prefix}{name}'
        for prefix in ('', 'd0.', 'd1.', 'd2.')
        for name in kinds
    } | {'train/loss', 'train/loss_semantic'}
    assert all(len(v) == 2 for v in losses.values())
    values = np.array(list(losses.values()))
    assert (values > 0).all() and np.isfinite(values).all()
    # Pictures full of grass: three quarters of the second picture are grass,
    # but less than half of the others. Sky and person are missed.
    sq, rq = 3 / 4, 1 / (1 + 2 / 2 + 2 / 2)
    for name, value in dict(P=sq * rq, S=sq, R=rq).items():
        for part, classes in {'': 3, '_th': None, '_st': 2}.items():
            value_of_part = 100 * value / classes if classes else 0
            assert scalars[f'val/coco_panoptic/{name}Q{part}'] == [
                pytest.approx(value_of_part)
            ]
    # all weights are trained, but the ones behind a factor that begins at 0
    trained = torch.load(checkpoint, weights_only=False)['state_dict']
    still = {n for n, v in initial.items() if v.equal(trained[n])}
    assert all(n.endswith('.kmeans.value.bn.weight') for n in still)


def test_video_model_starts_from_it(pretrained, tmp_path):
    *_, checkpoint = pretrained
    write_dataset(tmp_path / 'VIPSeg/VIPSeg_720P')
    cfg = shrink(VIPSEG, tmp_path, tmp_path / 'video', num_iters=2)
    cfg.log_level = 'INFO'
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.ann_file = 'train.json'
    cfg.load_from = str(checkpoint)
    scalars, weights = train(cfg, WALL)
    for name in ('loss_cls', 'loss_mask', 'loss_dice', 'loss_pixel'):
        values = np.array(scalars[f'train/{name}'])
        assert len(values) == 2 and (values > 0).all()
    vpq, iou = values_of_walls()
    assert scalars['val/vps/VPQ_1'] == [pytest.approx(vpq)]
    assert scalars['val/vps/IoU'] == [pytest.approx(iou)]

    source = torch.load(checkpoint, weights_only=False)['state_dict']
    new = {
        n
        for n, v in weights.items()
        if n not in source or source[n].shape != v.shape
    }
    assert all(weights[n].equal(source[n]) for n in weights.keys() - new)
    assert source.keys() <= weights.keys()
    classes = {n for n in new if n in source}
    assert {n.partition('.segmenter.')[2] for n in classes} == {
        f'{head}.conv.{kind}'
        for kind in ('weight', 'bias')
        for head in (
            'semantic_head.conv_seg',
            *(
                f'transformer_decoder.{part}predictor.cls_embed'
                for part in ('', 'layers.0.', 'layers.1.', 'layers.2.')
            ),
        )
    }
    assert all(
        re.match(
            r'neck\.(level_3d_encoding|encoder\.layers\.\d\.'
            r'temporal_layers)\.',
            n,
        )
        for n in new - classes
    )
    # and the log says so
    (log,) = (tmp_path / 'video').glob('*/*.log')
    told = re.search(
        f'{checkpoint} initialises MaXTron, except (.*) missing weights '
        'and (.*) weights of another shape. These start anew: (.*)',
        log.read_text(),
    )
    assert told.groups()[:2] == (str(len(new - classes)), str(len(classes)))
    told = told[3].split(', ')
    assert len(told) == len(set(told)) < 12
    assert {n for n in weights if n.startswith(tuple(told))} == new


def values_of_walls():
    """VPQ of single frames and IoU of predictions that are all wall."""
    maps = [
        draw_map(n, t)
        for n, (*_, t_end) in VIDEOS.items()
        for t in range(t_end)
    ]
    walls, others = (
        [np.sum(m == 1) for m in maps],
        [np.sum(m > 1) for m in maps],
    )
    ious = np.divide(walls, np.add(walls, others))
    found = ious > 0.5
    assert 0 < found.sum() < len(found)
    # of five classes, only the wall is predicted
    return 100 * ious[found].sum() / len(ious) / 5, sum(walls) / sum(
        walls + others
    ) / 5


@MODELS.register_module()
class ColorReader(BaseModule):
    """A segmenter whose queries are colours."""

    num_classes = 133
    mask_activation = 'softmax'
    align_corners = True
    letters = 'sgpqdk'

    def forward(self, images, num_frames):
        images = images.permute(0, 2, 3, 1)  # (B, H, W, 3), RGB
        colors = images.new_tensor([COLORS[c][::-1] for c in self.letters])
        colors = colors / 127.5 - 1
        near = [(images - color).abs().amax(-1) < 0.2 for color in colors]
        masks = 20.0 * torch.stack(near, 1)[:, :, None]  # (B, N, 1, H, W)
        labels = [LABELS[c] for c in self.letters]
        logits = torch.eye(self.num_classes + 1)[labels][None] * 20
        return ClipPrediction(logits, masks, logits, logits)


@MODELS.register_module()
class NoBackbone(BaseModule):
    """A backbone that returns the images."""

    def forward(self, images):
        return images


def measure(folder, truth):
    """Expected values of CocoPanopticMetric for the pictures."""
    write_coco(folder / 'coco', truth)
    cfg = shrink(COCO, folder, folder / 'out', canvas=CANVAS)
    cfg.model.backbone, cfg.model.neck = dict(type='NoBackbone'), None
    cfg.model.head.segmenter = dict(type='ColorReader')
    model = build(cfg.model)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = dataset.metainfo
    for sample in dataset:
        results = model.test_step(pseudo_collate([sample]))
        metric.process({}, [result.to_dict() for result in results])
    return {
        name.partition('/')[2]: value
        for name, value in metric.evaluate(len(dataset)).items()
    }


def test_perfect_predictions_have_pq_100(tmp_path):
    values = measure(tmp_path, TRUTH)
    assert len(values) == 9
    assert values == dict.fromkeys(values, 100.0)


def test_pq_of_partly_wrong_predictions_by_hand(tmp_path):
    # Of the second person one block of three was taken for grass, which has
    # seven instead of six; and the dog is a cat. The crowd counts for none.
    truth = (
        'ssssss sppsqs gppgqq gggg..',
        'ssssss sskkss ggkkgg gggggg',
        TRUTH[2],
    )
    sky, grass = 1.0, (6 / 7 + 1 + 1) / 3
    person = (1 + 2 / 3) / 2
    # a dog too many, a cat too few: no match at all
    things, stuff = person / 3, (sky + grass) / 2
    all_classes = (person + sky + grass) / 5
    expected = dict(
        PQ=all_classes,
        PQ_th=things,
        PQ_st=stuff,
        SQ=all_classes,
        SQ_th=things,
        SQ_st=stuff,
        RQ=3 / 5,
        RQ_th=1 / 3,
        RQ_st=1.0,
    )
    assert measure(tmp_path, truth) == pytest.approx(
        {name: 100 * value for name, value in expected.items()}, rel=1e-12
    )
