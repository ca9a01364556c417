# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Model and dataset must have the same things."""

from types import SimpleNamespace

from projects.maxtron.engine import ThingLabelsHook

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config

from tests.models import ROOT
from tests.test_evaluation.user_panoptic import NAMES, load, write


@pytest.fixture(scope='module')
def model():
    """A panoptic model whose only thing is the third of three classes."""
    cfg = Config.fromfile(ROOT / 'docs/examples/custom_dataset/panoptic.py')
    cfg.merge_from_dict(
        {
            'model.head.segmenter.num_classes': 3,
            'model.head.test_cfg.thing_labels': [2],
        }
    )
    with MODELS.switch_scope_and_registry('mmdet') as registry:
        return registry.build(cfg.model)


def run(model, train, val=None):
    """A runner as the hook sees it."""
    loaders = {
        f'{split}_dataloader': SimpleNamespace(dataset=dataset)
        for split, dataset in (('train', train), ('val', val), ('test', val))
    }
    return SimpleNamespace(model=model, val_loop=val, **loaders)


def test_contradiction_is_refused(tmp_path, model):
    write(tmp_path)
    good = load(tmp_path)
    wrong = SimpleNamespace(
        metainfo=dict(good.metainfo, thing_classes=NAMES[1:])
    )
    hook = ThingLabelsHook()
    hook.before_train(run(model, good))
    hook.before_train(run(model, good, good))
    for step in (hook.before_val, hook.before_test):
        step(run(model, good, good))
        with pytest.raises(ValueError, match="label 1 .'grass'. is a thing"):
            step(run(model, good, wrong))
    message = (
        'thing_labels contradicts metainfo of the train dataset: label 1 '
        r"\('grass'\) is a thing in metainfo, but stuff of the model. Set "
        r'thing_labels to \[1, 2\]'
    )
    with pytest.raises(ValueError, match=message):
        hook.before_train(run(model, wrong, good))
    with pytest.raises(ValueError, match='metainfo of the val dataset'):
        hook.before_train(run(model, good, wrong))
    both = SimpleNamespace(
        metainfo=dict(good.metainfo, thing_classes=NAMES[:1])
    )
    with pytest.raises(ValueError, match='label 0 .* and 1 more labels'):
        hook.before_train(run(model, both))


def test_other_models_pass(model):
    hook = ThingLabelsHook()
    hook.before_train(run(SimpleNamespace(), SimpleNamespace(metainfo={})))
    hook.before_train(run(model, SimpleNamespace(metainfo={})))


def test_every_config_has_the_hook():
    cfg = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py')
    assert dict(type='ThingLabelsHook') in cfg.custom_hooks
