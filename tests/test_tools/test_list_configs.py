# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The index of the configs: complete, readable by mim, and in the docs."""

import re
import shutil

import pytest
from modelindex.load_model_index import load as load_index

from tests.configs import LEAVES, read_index
from tests.models import ROOT
from tools.misc import list_configs


@pytest.mark.slow
def test_matrix_has_no_hole(capsys):
    rows = list_configs.read_rows()
    *lines, legend = list_configs.format_matrix(rows).splitlines()
    assert list_configs.find_holes(rows) == []
    cells = re.findall(r'[RPo.] [RPo.] [RPo.]', '\n'.join(lines))
    assert len(cells) == 10 * 4 + 3 * 3 + 2 + 4 * 3
    assert '.' not in ''.join(cells)
    assert ''.join(cells).count('R') == 6 + 2 + 6 + 4 + 6
    assert ''.join(cells).count('P') == 1
    rows = [
        row
        for row in rows
        if row.config != 'configs/maxtron/ovis/maxtron-offline_tube-link_'
        'r50_8xb1-10k_ovis.py'
    ]
    assert 'OVIS Tube-Link                R R .' in list_configs.format_matrix(
        rows
    )
    assert list_configs.find_holes(rows) == [
        ('OVIS', 'Tube-Link', 'R-50', 'offline')
    ]


def test_mim_reads_all_of_it():
    """As ``mim search`` does."""
    index = load_index(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    assert {model.config for model in index.models} == set(LEAVES)
    (model,) = (
        m
        for m in index.models
        if m.name == 'maxtron-offline_video-kmax_r50_16xb1-15k_vipseg'
    )
    assert model.results[0].metrics['VPQ (published)'] == 46.7
    assert {model.in_collection for model in index.models} == {
        collection.name for collection in index.collections
    }


def test_settings_are_marked():
    for model in read_index().values():
        metadata = model['Metadata']
        assert metadata['Settings'] in ('released', 'paper', 'ours', 'mmdet')
        ablation = 'ablations' in model['Config']
        baseline = model['Name'] == 'video-kmax_r50_8xb4-40k_vipseg'
        assert (metadata['Settings'] == 'paper') == (ablation or baseline)
        assert ('Variant' in metadata) == (
            ablation or 'in21k' in model['Name']
        )
        text = (ROOT / model['Config']).read_text()
        if metadata['Settings'] == 'released':
            assert 'Not in the reference' not in text
        if metadata['Settings'] == 'ours' and 'synthetic' not in text:
            published = [
                key
                for result in model.get('Results', [])
                for key in result['Metrics']
                if 'published' in key
            ]
            assert not published


@pytest.mark.slow
@pytest.mark.parametrize(
    'filters, count',
    [
        ('--task VIS --mode offline --dataset OVIS', 11),
        ('--settings paper', 13),
        ('--backbone Swin-L --segmenter Mask2Former --mode image', 1),
    ],
)
def test_filters(filters, count):
    args = list_configs.make_parser().parse_args(filters.split())
    rows = list(list_configs.matching(args))
    assert len(rows) == count
    columns = list_configs.columns_of(rows, args)
    assert columns[-1] == 'config' and 'published' in columns
    text = list_configs.format_table(rows, columns, False)
    assert text.count('\n') == count + 1


@pytest.mark.slow
def test_pages_are_up_to_date(tmp_path, monkeypatch):
    """--update-docs changes no current page and updates a stale one."""
    for pattern in ('docs/*.md', 'configs/*/*.md'):
        for page in ROOT.glob(pattern):
            copy = tmp_path / page.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, copy)
    list_configs.read_rows()
    monkeypatch.setattr(list_configs, 'ROOT', tmp_path)
    parser = list_configs.make_parser()
    assert list_configs.update_docs(parser) == []
    page = tmp_path / 'configs/video_kmax/README.md'
    text = page.read_text()
    page.write_text(text.replace('VPQ 42.7', 'VPQ 99.9'))
    assert list_configs.update_docs(parser) == [page]
    assert page.read_text() == text
