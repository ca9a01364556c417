# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections import Counter

from projects.maxtron.errors import CheckpointError, InputError
from projects.maxtron.weights import (
    find_weights,
    list_weights,
    read_registry,
    registry,
    resolve,
)
from projects.maxtron.weights.conversion import TITLES

import pytest

from tests.configs import read_index
from tests.models import ROOT
from tests.scripts import run_script

DEMO = 'maxtron-nearonline_tube-link_tiny_synthetic-vis'


def test_every_entry_is_complete():
    names = Counter(
        name.lower()
        for entry in read_registry()
        for name in (entry.name, *entry.aliases)
    )
    assert set(names.values()) == {1}
    for entry in read_registry():
        assert entry.code_base in registry.CODE_BASES and entry.licence
        assert entry.code_base in TITLES
        assert entry.task and entry.dataset
        assert entry.metrics or entry.is_backbone or entry.name == DEMO
        assert entry.is_backbone or entry.config_path.is_file()
        assert entry.url.startswith(('https://', 'gdrive:', 'demo/'))


def test_the_authors_released_21_models():
    """As in the MODEL_ZOO.md files of their two code bases."""
    theirs = [e for e in read_registry() if e.code_base.startswith('axial-vs')]
    assert Counter(e.dataset for e in theirs) == {
        'VIPSeg': 6,
        'COCO': 4,
        'OVIS': 4,
        'YouTube-VIS 2021': 4,
        'YouTube-VIS 2022': 3,
    }
    assert all(e.licence == 'Apache-2.0' for e in theirs)
    # all configs of MaXTron with their settings, except one without weights
    configs = {e.config for e in theirs}
    released = {
        model['Config'].removeprefix('configs/')
        for model in read_index().values()
        if model['Metadata']['Settings'] == 'released'
        and model['In Collection'] != 'Tube-Link'
    }
    assert released - configs == {
        'maxtron/ytvis22/'
        'maxtron-offline_tube-link_r50_8xb1-10k_youtube-vis-2022.py'
    }
    # one file for two names
    (note,) = {e.note for e in theirs} - {''}
    assert note.endswith('links the file of YouTube-VIS 2021 here')
    assert len({e.url for e in theirs}) == len(theirs) - 1


@pytest.mark.parametrize(
    'name, code_base, metric, config',
    [
        (
            'maxtron-nearonline_video-kmax_r50_vipseg',
            'axial-vs-video-kmax',
            ('VPQ', 46.1),
            'maxtron/vipseg/'
            'maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg.py',
        ),
        (
            'kmax-deeplab_convnext-l_coco-panoptic',
            'kmax-deeplab',
            ('PQ', 57.9),
            'kmax/coco/kmax_convnext-l_8xb8-150k_coco-panoptic.py',
        ),
        ('convnext-v2-large_3rdparty-fcmae_in1k', 'mmpretrain', None, None),
    ],
)
def test_entries_are_found(name, code_base, metric, config):
    entry = find_weights(name.upper())
    assert (entry.name, entry.code_base) == (name, code_base)
    assert (entry.config, next(iter(entry.metrics.items()), None)) == (
        config,
        metric,
    )
    if config is not None:
        task = dict(VPQ='VPS', PQ='PS')[metric[0]]
        assert entry.task == task and name in list_weights(task)
    assert (name in list_weights()) == (config is not None)
    assert (name in list_weights('backbone')) == (config is None)


def test_the_stem_of_the_config_is_a_name():
    stem = 'maxtron-offline_tube-link_r50_8xb1-10k_ovis'
    assert find_weights(stem).name == 'maxtron-offline_tube-link_r50_ovis'
    # one config with weights of two code bases, one with one of another name
    stem = 'kmax_r50_8xb8-150k_coco-panoptic'
    assert find_weights(stem).code_base == 'axial-vs-video-kmax'
    stem = 'kmax_convnext-l_8xb8-150k_coco-panoptic'
    assert find_weights(stem).name == 'kmax-deeplab_convnext-l_coco-panoptic'


def test_unknown_names_get_the_nearest():
    with pytest.raises(CheckpointError, match='nearest names are kmax_r50_c'):
        find_weights('kmax_r50_coco')
    with pytest.raises(CheckpointError, match='maxtron-nearonline_tube-link'):
        find_weights('maxtron-nearonline-tubelink_r50_ovis')
    with pytest.raises(InputError, match='The tasks are VPS, VIS, PS, IS'):
        list_weights('VOS')


def test_an_installation_without_configs(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, '_ROOTS', (tmp_path,))
    for function in (registry.read_registry, registry._names):
        monkeypatch.setattr(registry, function.__name__, function.__wrapped__)
    assert list_weights() == []
    with pytest.raises(CheckpointError, match='has no configs'):
        find_weights(DEMO)


def test_resolve_takes_names_urls_and_files(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, entry = resolve(DEMO)
    assert path == ROOT / 'demo/maxtron_tiny.pth' and entry.name == DEMO
    # a file takes precedence
    (tmp_path / DEMO).write_bytes(b'mine')
    assert resolve(DEMO) == (resolve(DEMO)[0], None)
    assert resolve(f'file://{tmp_path / DEMO}')[0].read_bytes() == b'mine'
    path, entry = resolve(f'{server.url}/files/model.pth')
    assert path.read_bytes() == server.files['model.pth'] and entry is None
    monkeypatch.setenv('MAXTRON_MIRROR', f'{server.url}/files')
    known = find_weights('detectron2_r50')
    server.files[known.url.removeprefix('https://')] = b'\x80weights'
    assert resolve(known.url)[1] == resolve('detectron2_r50')[1] == known
    for missing in ('gone.pth', 'work_dirs/gone', './gone'):
        with pytest.raises(FileNotFoundError, match='Checkpoint not found'):
            resolve(missing)
    with pytest.raises(CheckpointError, match='only http://, https://'):
        resolve('s3://bucket/model.pth')


def test_the_tool(server, monkeypatch, capsys):
    tool = 'tools/misc/download_weights.py'
    text = run_script(tool, '--list', '--task', 'VIS')
    assert 'youtube-vis-2022* | VIS  | YouTube-VIS 2022' in text
    assert f'{len(list_weights("VIS"))} weights' in text
    monkeypatch.setenv('MAXTRON_MIRROR', f'{server.url}/files')
    url = find_weights('detectron2_r50').url
    server.files[url.removeprefix('https://')] = b'\x80weights'
    text = run_script(tool, 'detectron2_r50', DEMO)
    assert 'R-50.pkl (0.0 MB)' in text and 'maxtron_tiny.pth (' in text
    with pytest.raises(SystemExit):
        run_script(tool, 'convnext_large_22k_224', 'detectron2_r50')
    text = capsys.readouterr().out
    assert 'no such file (HTTP status 404' in text and 'R-50.pkl (0.0' in text
    with pytest.raises(SystemExit, match='no released weights named other'):
        run_script(tool, 'detectron2_r50', 'other')
