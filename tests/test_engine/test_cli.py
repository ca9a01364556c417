# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.engine.cli import find_datasets
from projects.maxtron.errors import InputError

import pytest
from mmengine.config import Config


def test_datasets_inside_of_wrappers():
    parts = [dict(type='A'), dict(type='B')]
    both = dict(type='ConcatDataset', datasets=parts)
    repeated = dict(type='RepeatDataset', dataset=both)
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=repeated),
            val_dataloader=dict(dataset=parts[1]),
            test_dataloader=None,
        )
    )
    assert list(find_datasets(cfg, 'train')) == parts
    assert list(find_datasets(cfg, 'val')) == parts[1:]
    with pytest.raises(InputError, match='has no test_dataloader'):
        list(find_datasets(cfg, 'test'))
