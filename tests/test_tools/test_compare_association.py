# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

from projects.maxtron.errors import InputError

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from tests.models import ROOT, build, model_cfg
from tests.scripts import run_script
from tools.analysis_tools.compare_association import build_associations
from tools.analysis_tools.instance_maps import InstanceMaps

CONFIGS = ROOT / 'configs/maxtron/synthetic'
(PANOPTIC,) = CONFIGS.glob('*nearonline_video-kmax_tiny*450_synthetic-vps.py')
(INSTANCES,) = CONFIGS.glob('*nearonline_tube-link_tiny_1xb3-8k*.py')


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['panoptic', 'instances'])
def test_table_of_associations(kind, synthetic, tmp_path):
    if kind == 'panoptic':
        model = (PANOPTIC, 'demo/maxtron_tiny_panoptic.pth')
    else:
        model = (INSTANCES, 'demo/maxtron_tiny.pth', '--panoptic', PANOPTIC)
    out = run_script(
        'tools/analysis_tools/compare_association.py',
        *model,
        f'--scenarios={synthetic}/scenarios_val.json',
        f'--out={tmp_path}/values.json',
        '--cfg-options',
        f'test_dataloader.dataset.data_root={synthetic}/vipseg/VIPSeg_720P/',
        'test_dataloader.num_workers=0',
        'test_dataloader.persistent_workers=False',
        '+test_dataloader.dataset.indices=[0]',
        f'work_dir={tmp_path}',
    )
    found = json.loads((tmp_path / 'values.json').read_text())
    assert list(found) == ['paper', 'robust', 'true linking']
    for name, row in found.items():
        assert {'vps/VPQ_20_Th', 'vps/AQ', 'vps/ids_kept'} <= row.keys()
        assert f'| {name} | {row["vps/VPQ"]:.1f} |' in out
        assert row['vps/AQ'] > 0.3  # of things, whatever their class


@pytest.mark.slow
def test_panoptic_model_with_panoptic_data(synthetic, tmp_path):
    message = 'is a panoptic model. Leave out --panoptic'
    with pytest.raises(SystemExit, match=message):
        run_script(
            'tools/analysis_tools/compare_association.py',
            PANOPTIC,
            'demo/maxtron_tiny_panoptic.pth',
            f'--panoptic={PANOPTIC}',
            '--cfg-options',
            f'test_dataloader.dataset.data_root={synthetic}/vipseg/VIPSeg_720P/',
            'test_dataloader.num_workers=0',
            'test_dataloader.persistent_workers=False',
            f'work_dir={tmp_path}',
        )


@pytest.mark.parametrize(
    'text, message',
    [
        ('associate = dict()', 'bad.py has no association = dict'),
        ('association = dict(clas_weight=1.0)', 'clas_weight.*class_weight'),
    ],
)
def test_bad_file_of_an_association(text, message, tmp_path):
    path = tmp_path / 'association_bad.py'
    path.write_text(text)
    head = build(model_cfg()).head
    with pytest.raises(InputError, match=message):
        build_associations(head, [str(path)])


def test_missing_classes():
    with pytest.raises(
        InputError, match=r'lack .*: dog\. They have: sky, cat'
    ):
        InstanceMaps(('cat', 'dog'), ('sky', 'cat'), 0.3)


def test_maps_of_instances():
    """The second repeats the first, and the last one is below the score."""
    masks = np.zeros((4, 3, 4), np.uint8)
    masks[0, :, :2] = masks[1, :, :2] = masks[2, 0] = masks[3, 2] = 1
    frame = InstanceData(
        instances_id=torch.tensor([5, 6, 2, 3]),
        labels=torch.tensor([0, 1, 1, 0]),
        scores=torch.tensor([0.9, 0.8, 0.5, 0.2]),
        masks=[coco_mask.encode(np.asfortranarray(x)) for x in masks],
    )
    maps = InstanceMaps(('cat', 'dog'), ('sky', 'dog', 'cat'), 0.3)
    assert maps.labels == {2: 0, 1: 1}
    cat, dog = 2 + 1000 * 6, 1 + 1000 * 3
    assert maps.convert(frame, (3, 4)).decode().tolist() == [
        [cat, cat, 3, 3],
        [cat, cat, 3, 3],
        [cat, cat, 3, 3],
    ]
    masks[2, 1] = 1
    frame.masks[2] = coco_mask.encode(
        np.asfortranarray(masks[2] * (1 - masks[0]))
    )
    assert maps.convert(frame, (3, 4)).decode().tolist() == [
        [cat, cat, dog, dog],
        [cat, cat, dog, dog],
        [cat, cat, 3, 3],
    ]
