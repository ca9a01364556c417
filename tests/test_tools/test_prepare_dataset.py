# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Preparation of datasets, from archives to the loading by configs."""

import json
import shutil
import zipfile
from pathlib import Path

import projects.maxtron  # noqa: F401, before MMDetection

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tests.test_datasets.tiny_panoptic import draw_frame
from tests.test_tools import tiny_downloads
from tests.test_tools.tiny_downloads import (
    DOWNLOADS,
    video_frames,
    write_tar,
    write_zip,
)
from tools.dataset_converters.prepare_dataset import main

# datasets that need no conversion
IN_PLACE = ('coco_panoptic', 'coco_instance', 'vspw')
CONFIGS = Path(__file__).parents[2] / 'configs'


def snapshot(folder):
    return {
        path: path.stat().st_mtime_ns
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def build(config, split, root):
    """The dataset of a config, with this folder in place of its own."""
    init_default_scope('mmdet')
    cfg = Config.fromfile(CONFIGS / config)[f'{split}_dataloader'].dataset
    return DATASETS.build(dict(cfg, data_root=f'{root}/'))


# config of a training; its sample, and frames of the first test video
@pytest.mark.slow
@pytest.mark.parametrize('name, config, train_shape, num_test', [
    ('youtube_vis_2019', 'maxtron/ytvis19/maxtron-nearonline_tube-link_r50_'
     '8xb1-15k_youtube-vis-2019.py', (5, 3), 7),
    ('youtube_vis_2021', 'maxtron/ytvis21/maxtron-nearonline_tube-link_r50_'
     '8xb1-15k_youtube-vis-2021.py', (5, 3), 7),
    ('youtube_vis_2022', 'maxtron/ytvis22/maxtron-nearonline_tube-link_r50_'
     '8xb1-15k_youtube-vis-2022.py', None, 7),
    ('ovis', 'maxtron/ovis/maxtron-nearonline_tube-link_r50_8xb1-15k_ovis.py',
     (4, 3, 384, 640), 7),
    ('lv_vis', 'maxtron/lv_vis/maxtron-nearonline_tube-link_r50_8xb1-15k_'
     'lv-vis.py', (5, 3), 7),
    ('vipseg', 'maxtron/vipseg/maxtron-nearonline_video-kmax_r50_8xb4-40k_'
     'vipseg.py', (2, 3, 769, 1345), 5),
    ('vspw', 'maxtron/vspw/maxtron-nearonline_video-kmax_r50_8xb4-15k_vspw.py',
     (2, 3, 481, 865), 7),
    ('kitti_step', 'maxtron/kitti_step/maxtron-nearonline_video-kmax_r50_'
     '8xb4-15k_kitti-step.py', (2, 3, 385, 1249), 7),
    ('cityscapes_vps', 'maxtron/cityscapes_vps/maxtron-nearonline_video-kmax_'
     'r50_8xb4-15k_cityscapes-vps.py', (2, 3, 1025, 2049), 7),
    ('coco_panoptic', 'kmax/coco/kmax_r50_8xb8-150k_coco-panoptic.py',
     (1, 3, 1281, 1281), None),
    ('coco_instance', 'tube_link/coco/mask2former_r50_8xb2-lsj-50e_coco.py',
     (3, ), None),
])  # yapf: disable
def test_from_downloads_to_the_config(
    tmp_path, capsys, name, config, train_shape, num_test
):
    DOWNLOADS[name](tmp_path / 'downloads')
    root = tmp_path / 'data'
    command = [
        name,
        *map(str, sorted((tmp_path / 'downloads').iterdir())),
        '--data-root',
        str(root),
        '--nproc=1',
    ]
    main(command)
    output = capsys.readouterr().out
    assert 'No errors.' in output and ' 0 were there' in output
    checked = root / 'VIPSeg_720P' if name == 'vipseg' else root
    if train_shape is not None:
        np.random.seed(0)
        sample = build(config, 'train', checked)[0]
        assert sample['inputs'].shape[: len(train_shape)] == train_shape
    sample = build(config, 'val', checked)[0]
    if num_test is not None:
        assert len(sample['inputs']) == num_test
        assert sample['inputs'][num_test - 1].shape[0] == 3

    # a second run writes nothing, nor does an unpacked source
    before = snapshot(root)
    main(command)
    output = capsys.readouterr().out
    assert output.count('\n0 files written') == 1
    assert output.count('converted before, left alone') == (
        0 if name in IN_PLACE else 1 if name.endswith('2022') else 2
    )
    main([name, '--data-root', str(root), '--nproc=1'])
    assert 'No errors.' in capsys.readouterr().out
    assert snapshot(root) == before
    assert not list(root.rglob('*.part.*')) + list(root.rglob('__MACOSX'))


def test_unpacked_folders_and_interruptions(tmp_path, capsys):
    """Folders are linked; a damaged archive does not affect other files."""
    downloads, root = tmp_path / 'downloads', tmp_path / 'data'
    DOWNLOADS['youtube_vis_2019'](downloads)
    with zipfile.ZipFile(downloads / 'train.zip') as archive:
        archive.extractall(tmp_path / 'unpacked')
    whole = (downloads / 'valid.tar').read_bytes()
    (downloads / 'valid.tar').write_bytes(whole[: len(whole) // 2])
    command = [
        'youtube_vis_2019',
        str(tmp_path / 'unpacked'),
        str(downloads),
        '--data-root',
        str(root),
        '--nproc=1',
    ]
    with pytest.raises(SystemExit, match='valid.tar is damaged.*Download it'):
        main(command)
    frame = 'train/JPEGImages/landscape/00000.jpg'
    assert (tmp_path / 'unpacked' / frame).samefile(root / frame)
    before = snapshot(root)
    assert any('valid' in str(path) for path in before)
    (downloads / 'valid.tar').write_bytes(whole)
    main(command)
    assert before.items() <= snapshot(root).items()
    assert 'No errors.' in capsys.readouterr().out
    assert len(list(root.glob('*/JPEGImages/*/*.jpg'))) == 26


def change_a_byte(path):
    """Change a byte in the middle of a frame, which remains readable."""
    frame = video_frames()['landscape/00003.jpg']
    with zipfile.ZipFile(path, 'w') as archive:  # not compressed
        archive.writestr('train/JPEGImages/landscape/00003.jpg', frame)
    content = bytearray(path.read_bytes())
    content[content.find(frame) + len(frame) // 2] ^= 255
    path.write_bytes(content)


def html(path):
    path.write_bytes(b'<!DOCTYPE html> Quota exceeded')


def other_dataset(path):
    write_zip(path, {'labels/0001.xml': b''})


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-40])


def cut_off_tar(path):
    """Remove the end of an archive after its last file."""
    write_tar(path.with_suffix('.tar'), video_frames(), 'JPEGImages/')
    content = path.with_suffix('.tar').read_bytes().rstrip(b'\0')
    blocks = -(-len(content) // 512)
    path.write_bytes(content.ljust(512 * blocks, b'\0'))


def escaping(name, write=write_zip):
    return lambda path: write(
        path, {**video_frames('JPEGImages/{name}/{t:05d}.jpg'), name: b'evil'}
    )


@pytest.mark.parametrize(
    'spoil, message',
    [
        (change_a_byte, 'train.zip is damaged or incomplete .*CRC'),
        (cut_off, 'train.zip is damaged or incomplete'),
        (cut_off_tar, 'train.zip is damaged or incomplete .*no end'),
        (html, r"train.zip is no zip or tar archive.*b'<!DO'.*web page"),
        (
            other_dataset,
            'train.zip has nothing that youtube_vis_2019 needs. '
            'Expected: train.json, train.zip, valid.json, valid.zip',
        ),
        (escaping('../JPEGImages/a/0.jpg'), 'leads out of the folder'),
        (escaping('JPEGImages/../../evil.jpg'), 'leads out of the folder'),
        (escaping('/JPEGImages/a/0.jpg'), 'leads out of the folder'),
        (
            escaping(
                '../a/0.jpg',
                lambda path, files: write_tar(
                    path.with_suffix('.tar'), files
                ).rename(path),
            ),
            'leads out of the',
        ),
        (Path.unlink, 'No such file'),
    ],
)
def test_bad_archives(tmp_path, spoil, message):
    downloads, root = tmp_path / 'downloads', tmp_path / 'data'
    DOWNLOADS['youtube_vis_2019'](downloads)
    spoil(downloads / 'train.zip')
    files = set(tmp_path.rglob('*'))
    with pytest.raises(SystemExit, match=f'prepare_dataset: .*{message}'):
        main(
            [
                'youtube_vis_2019',
                str(downloads / 'train.zip'),
                '--data-root',
                str(root),
            ]
        )
    new = {p for p in set(tmp_path.rglob('*')) - files if p.is_file()}
    # only complete frames exist
    for path in new:
        assert path.relative_to(root).parts[:2] == ('train', 'JPEGImages')
        assert (
            path.read_bytes()
            == video_frames()[f'{path.parent.name}/{path.name}']
        )
    if 'leads out of the folder' in message:  # a tar has no list of names
        assert not new


def test_what_is_missing_and_what_does_not_fit(tmp_path, capsys):
    downloads, root = tmp_path / 'downloads', tmp_path / 'data'
    DOWNLOADS['youtube_vis_2019'](downloads)
    options = ['--data-root', str(root), '--nproc=1']
    train = ['youtube_vis_2019', str(downloads / 'train.zip')]
    with pytest.raises(SystemExit) as end:
        main([*train, *options])
    for path, download in (
        ('train.json', 'train.json'),
        ('valid/JPEGImages', 'valid.zip'),
        ('valid.json', 'valid.json'),
    ):
        assert f'no {root / path} (from {download})' in str(end.value)
    assert 'train/JPEGImages' not in str(end.value)
    main([*train, str(downloads / 'train.json'), '--splits=train', *options])
    assert 'No errors.' in capsys.readouterr().out

    # of another version
    frame = root / 'train/JPEGImages/portrait/00002.jpg'
    frame.write_bytes(b'other')
    command = [*train, '--splits=train', *options]
    with pytest.raises(SystemExit, match='00002.jpg is there already.*5 byt'):
        main(command)
    assert frame.read_bytes() == b'other'
    main([*command, '--overwrite'])
    assert frame.read_bytes() == video_frames()['portrait/00002.jpg']

    # The checker decides at the end.
    frame.unlink()
    with pytest.raises(SystemExit, match='check_dataset: 1 error'):
        main(['youtube_vis_2019', '--splits=train', *options])
    assert f'{frame}, does not exist' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(['youtube_vis_2022', '--splits=train'])
    assert 'that of youtube_vis_2021' in capsys.readouterr().err


def test_ground_truth_of_valid(tmp_path):
    downloads, root = tmp_path / 'downloads', tmp_path / 'data'
    DOWNLOADS['ovis'](downloads)
    shutil.copy(
        downloads / 'annotations_train.json',
        downloads / 'annotations_valid.json',
    )
    command = ['ovis', str(downloads), '--data-root', str(root), '--nproc=1']
    main(command)
    valid = root / 'annotations/ovis_valid.json'
    assert 'annotations' not in json.loads(valid.read_text())
    main([*command, '--with-gt', '--overwrite'])
    assert len(json.loads(valid.read_text())['annotations']) == 16


def test_vipseg_keeps_its_pictures(tmp_path):
    """Raw frames are not changed; unlisted videos are not unpacked."""
    DOWNLOADS['vipseg'](tmp_path)
    root = tmp_path / 'data'
    main(
        [
            'vipseg',
            str(tmp_path / 'VIPSeg.tar.gz'),
            '--data-root',
            str(root),
            '--nproc=1',
            '--splits=val',
        ]
    )
    assert (root / 'imgs/landscape/00003.jpg').read_bytes() == (
        tiny_downloads.encode(draw_frame('landscape', 3))
    )
    made = root / 'VIPSeg_720P'
    assert [p.name for p in (made / 'images').iterdir()] == ['portrait']
    assert not (made / 'panoptic_gt_VIPSeg_train.json').exists()
