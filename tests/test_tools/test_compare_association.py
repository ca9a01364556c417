# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tests.models import ROOT
from tests.scripts import run_script

(CONFIG,) = (ROOT / 'configs/maxtron/synthetic').glob(
    '*nearonline_video-kmax_tiny*450_synthetic-vps.py'
)


@pytest.mark.slow
def test_table_of_associations(synthetic, tmp_path):
    out = run_script(
        'tools/analysis_tools/compare_association.py',
        CONFIG,
        'demo/maxtron_tiny_panoptic.pth',
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
