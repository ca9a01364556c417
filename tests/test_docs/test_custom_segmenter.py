# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""docs/custom_segmenter.md, followed to the letter."""

import re
from collections import defaultdict

from projects.maxtron.models import ClipSegmenter

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from tests.models import build
from tests.test_docs.pages import (
    MAX_ITERS,
    ROOT,
    assert_shows_files,
    follow,
    read_page,
    workplace,
)

pytestmark = pytest.mark.slow

PAGE = 'custom_segmenter.md'
MODULE = 'docs/examples/toy_segmenter.py'
CONFIGS = 'docs/examples/custom_segmenter/toy_{}.py'
KINDS = ('nearonline', 'offline', 'panoptic')
FIRST_STAGE = f'work_dirs/toy_nearonline/iter_{MAX_ITERS}.pth'


@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    """The folder of the commands, and their output."""
    folder = workplace(tmp_path_factory.mktemp('segmenter'))
    offline = f'python tools/train.py {CONFIGS.format("offline")}'
    return folder, follow(
        read_page(PAGE), folder, {offline: [f'load_from={FIRST_STAGE}']}
    )


def load(folder, kind):
    """Model of a config, and one clip or video to train on."""
    cfg = Config.fromfile(ROOT / CONFIGS.format(kind))
    dataset = cfg.train_dataloader.dataset
    dataset.data_root = str(folder / dataset.data_root)
    torch.manual_seed(0)
    model = build(cfg.model)
    sample = DATASETS.build(dataset)[0 if kind == 'panoptic' else (0, 0)]
    return model, model.data_preprocessor(pseudo_collate([sample]), True)


def test_shows_the_files_as_they_are():
    assert_shows_files(read_page(PAGE), MODULE, *map(CONFIGS.format, KINDS))


def test_tells_all_of_the_contract():
    """The page names all methods and attributes of the base class."""
    text = (ROOT / 'docs' / PAGE).read_text()
    for name in {*vars(ClipSegmenter), *ClipSegmenter.__annotations__}:
        if not name.startswith('_') and name != 'loss':
            assert re.search(rf'`{name}\b', text), name


def test_commands_work(followed):
    metrics = defaultdict(list)
    for command, text in followed[1].items():
        if 'tools/test.py' in command:
            kind = re.search(r'custom_segmenter/toy_(\w+)', command)[1]
            metric = 'vps/VPQ' if kind == 'panoptic' else 'segm_mAP'
            metrics[kind] += re.findall(rf'{metric}: ([\d.]+)', text)
    assert {k: len(v) for k, v in metrics.items()} == {
        'nearonline': 1,
        'offline': 2,
        'panoptic': 1,
    }


def test_second_stage_trains_the_tracker_and_what_it_shares(followed):
    first, second = (
        torch.load(followed[0] / path, weights_only=False)['state_dict']
        for path in (FIRST_STAGE, FIRST_STAGE.replace('nearonline', 'offline'))
    )
    changed = {key for key in first if not first[key].equal(second[key])}
    assert changed == {
        f'head.segmenter.{part}.{kind}'
        for part in ('cls_embed', 'mask_embed')
        for kind in ('weight', 'bias')
    }
    assert {key.split('.')[1] for key in second.keys() - first} == {'tracker'}


@pytest.mark.parametrize('kind', ['nearonline', 'panoptic'])
def test_loss_falls_on_one_clip(followed, kind):
    model, batch = load(followed[0], kind)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    history = []
    for _ in range(12):
        losses = model.loss(**batch)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    for name in ('loss_cls', 'loss_dice'):
        assert history[-1][name] < 0.5 * history[0][name]
    idle = [n for n, p in model.named_parameters() if p.grad is None]
    assert not idle  # within-clip tracking learns as well


def test_end_to_end_reaches_everything(followed):
    cfg = Config.fromfile(ROOT / CONFIGS.format('offline')).model
    cfg.update(freeze_segmenter=False)
    cfg.head.clip_loss_weight = 1.0
    _, batch = load(followed[0], 'offline')
    model = build(cfg).train()
    losses = model.loss(**batch)
    assert losses.keys() == {
        'loss_cls',
        'loss_dice',
        'clip.loss_cls',
        'clip.loss_dice',
    }
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())
