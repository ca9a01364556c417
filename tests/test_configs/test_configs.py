# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Every config loads, says nothing in vain, and agrees with itself."""
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from projects.maxtron.engine.config import argument_names, find_classes

import pytest
import yaml
from mmcv.transforms import Compose
from mmdet.engine.hooks import NumClassCheckHook
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
FILES = sorted(
    str(path.relative_to(ROOT)) for path in ROOT.glob('configs/**/*.py'))
LEAVES = [path for path in FILES if '/_base_/' not in path]
# leaves whose names promise a backbone, GPUs, batch and iterations
ZOO = [path for path in LEAVES if re.search(r'_(8|16)xb1-', path)]
DATASET_CLASSES = {
    'youtube-vis-2019': 40,
    'youtube-vis-2021': 40,
    'youtube-vis-2022': 40,
    'ovis': 25
}


@cache
def load(path):
    """Read a config; read only, for the tests share it."""
    return Config.fromfile(ROOT / path)


def walk(node, where=''):
    """Yield (path, value) of all dicts and leaves of a config."""
    yield where, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f'{where}.{key}')
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from walk(value, f'{where}.{i}')


@pytest.mark.parametrize('path', FILES)
def test_file_loads_and_names_no_absolute_path(path):
    for where, value in walk(load(path)._cfg_dict):
        if isinstance(value, str):
            assert not re.match(r'([/~]|[A-Za-z]:[\\/])', value), where
    assert not re.search(r'(/mnt/|/home/|/root/|/work/)',
                         (ROOT / path).read_text())


@pytest.mark.parametrize('path', LEAVES)
def test_no_key_is_ignored(path):
    """Every typed dict has only keys that its class takes."""
    cfg = load(path)
    # These builders take more than the class does.
    builders = ('.norm_cfg', '.optim_wrapper')
    for where, node in walk(cfg._cfg_dict):
        if (isinstance(node, dict) and 'type' in node
                and not where.endswith(builders)):
            classes = find_classes(node['type'])
            assert classes, f'{node["type"]} does not exist'
            known = {'type', *argument_names(classes[0])}
            assert '**' in known or node.keys() <= known, where


@pytest.mark.parametrize(  # which takes seconds: one of each kind
    'path', [p for p in LEAVES if 'maxtron' in p and '/ytvis' not in p])
def test_dump_and_reload(path, tmp_path):
    cfg = load(path)
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path /
                           'dumped.py')._cfg_dict == cfg._cfg_dict


@pytest.mark.parametrize('path', LEAVES)
def test_parts_agree(path, build_meta):
    """Model, data and evaluation speak of the same classes and clips."""
    cfg = load(path)
    model = build_meta(cfg.model)
    train = cfg.train_dataloader.dataset
    assert train.clip_len == model.head.clip_len
    segmenter = model.head.segmenter
    assert len(segmenter.class_weight) == segmenter.num_classes + 1
    for loader in (cfg.train_dataloader, cfg.val_dataloader,
                   cfg.test_dataloader):
        dataset = DATASETS.build({**loader.dataset, 'lazy_init': True})
        assert len(dataset.metainfo['classes']) == segmenter.num_classes
        Compose(loader.dataset.pipeline)
    assert dict(type='NumClassCheckHook') in cfg.custom_hooks
    runner = SimpleNamespace(
        model=model, train_dataloader=SimpleNamespace(dataset=dataset))
    NumClassCheckHook().before_train_epoch(runner)
    segmenter.num_classes += 1
    with pytest.raises(AssertionError, match='does not matches the length'):
        NumClassCheckHook().before_train_epoch(runner)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        METRICS.build(evaluator)


@pytest.mark.parametrize('path', ZOO)
def test_name_tells_the_truth(path):
    cfg = load(path)
    gpus, batch, kilo, dataset = re.search(r'_(\d+)xb(\d+)-(\d+)k_(.*)\.py$',
                                           path).groups()
    assert cfg.auto_scale_lr.base_batch_size == int(gpus) * int(batch)
    assert not cfg.auto_scale_lr.enable
    assert cfg.train_dataloader.batch_size == int(batch)
    assert cfg.train_cfg.max_iters == 1000 * int(kilo)
    assert max(cfg.param_scheduler[1].milestones) < cfg.train_cfg.max_iters
    segmenter = cfg.model.head.segmenter
    assert segmenter.num_classes == DATASET_CLASSES[dataset]
    assert dataset.replace('-', '_') in cfg.test_dataloader.dataset.data_root
    backbone = 'SwinTransformer' if '_swin-l_' in path else 'ResNet'
    assert cfg.model.backbone.type == backbone
    decoder = ('AxialTrajectoryPixelDecoder'
               if 'maxtron' in path else 'MSDeformAttnPixelDecoder')
    assert segmenter.pixel_decoder.type == decoder


def test_matrix_is_complete():
    """{R50, Swin-L} x 4 datasets x {baseline, near-online}."""
    for method in ('tube-link', 'maxtron-nearonline_tube-link'):
        for backbone in ('r50_8xb1', 'swin-l_16xb1'):
            for dataset in DATASET_CLASSES:
                pattern = rf'/{method}_{backbone}-\d+k_{dataset}\.py$'
                assert sum(
                    bool(re.search(pattern, path)) for path in ZOO) == 1


@pytest.mark.parametrize('folder', ['tube_link', 'maxtron'])
def test_metafile_lists_every_leaf(folder):
    text = (ROOT / 'configs' / folder / 'metafile.yml').read_text()
    content = yaml.safe_load(text)
    collections = {c['Name']: c for c in content['Collections']}
    for collection in collections.values():
        assert (ROOT / collection['README']).is_file()
    models = {m['Config']: m for m in content['Models']}
    assert len(models) == len(content['Models'])
    leaves = [path for path in LEAVES if path.split('/')[1] == folder]
    assert sorted(models) == leaves
    for path, model in models.items():
        assert model['Name'] == Path(path).stem
        assert model['In Collection'] in collections
        iters = load(path).train_cfg.max_iters
        assert model['Metadata']['Iterations'] == iters


def test_readmes_link_every_leaf():
    for path in ZOO:
        folder = ROOT.joinpath(*path.split('/')[:2])
        readme = (folder / 'README.md').read_text()
        assert f'({(ROOT / path).relative_to(folder)})' in readme
