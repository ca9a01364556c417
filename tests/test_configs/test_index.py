# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Metafiles and READMEs list every config."""

from pathlib import Path

import pytest
import yaml

from tests.configs import LEAVES, ZERO_SHOT, ZOO, load
from tests.models import ROOT

FOLDERS = ('kmax', 'mask2former', 'maxtron', 'tube_link', 'video_kmax')


def test_model_index_names_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index['Import'] == [
        f'configs/{folder}/metafile.yml' for folder in FOLDERS
    ]
    assert {path.split('/')[1] for path in LEAVES} == set(FOLDERS)


@pytest.mark.parametrize('folder', FOLDERS)
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
        if path not in ZERO_SHOT:  # MMDetection's own number
            iters = load(path).train_cfg.max_iters
            assert model['Metadata']['Iterations'] == iters


def test_readmes_link_every_leaf():
    for path in ZOO + ZERO_SHOT:
        folder = ROOT.joinpath(*path.split('/')[:2])
        readme = (folder / 'README.md').read_text()
        assert f'({(ROOT / path).relative_to(folder)})' in readme
