# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""tools/analysis_tools/eval_vpq.py and eval_stq.py on folders."""

import importlib
import json
import os
import shutil

from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
)
from projects.maxtron.structures import read_id_map, write_id_map

import cv2
import numpy as np
import pytest

from tests.models import ROOT
from tests.scripts import run_fork
from tests.test_evaluation.panoptic_cases import (
    DATA,
    GOLDEN,
    assert_golden_stq,
    assert_golden_vpq,
    golden_args,
)


def options(root, *more):
    """Command line of a tool."""
    return [
        *(
            f'--{key.replace("_", "-")}={value}'
            for key, value in golden_args(root).items()
        ),
        *map(str, more),
    ]


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Run a tool in this process."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis_tools'))

    def run(name, *arguments):
        importlib.import_module(name).main(options(*arguments))
        return capsys.readouterr().out

    return run


@pytest.fixture
def data(tmp_path):
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.slow
def test_vpq_tool_gives_the_golden_numbers(data):
    """The tool runs in a process of its own, outside of the checkout."""
    result = run_fork(
        'tools/analysis_tools/eval_vpq.py',
        data,
        *options(data, '--nproc', 2, '--out', 'new/vpq.json'),
    )
    assert result.returncode == 0, result.stderr
    assert '3/3' in result.stdout  # the progress bar
    summary = json.loads((data / 'new/vpq.json').read_text())
    assert_golden_vpq(summary)
    assert os.listdir(data / 'new') == ['vpq.json']
    for name, suffix in (('All', ''), ('Things', '_Th'), ('Stuff', '_St')):
        assert f'VPQ{suffix}: {GOLDEN["final_vpq"][name]:.5f}' in result.stdout
        row = [
            GOLDEN['final_vpq'][name],
            *(GOLDEN['per_k'][k][name]['pq'] for k in '1246'),
        ]
        cells = [f'{value:.3f}' for value in row]
        assert [name, *cells] in table_rows(result.stdout, 6)
    for label, name in enumerate(summary['classes']):
        values = [
            GOLDEN['per_k'][k]['per_class'][str(label)]['pq'] for k in '1246'
        ]
        cells = [f'{100 * value:.3f}' for value in values]
        assert cells in [
            row[2:] for row in table_rows(result.stdout, 6) if row[0] == name
        ]


def test_stq_tool_gives_the_golden_numbers(data, run_tool):
    # the prediction's folder may also be that of the masks
    shutil.move(data / 'pred/pan_pred', data / 'masks')
    path = data / 'stq.json'
    out = run_tool(
        'eval_stq',
        data,
        '--pred-dir',
        data / 'masks',
        '--nproc',
        2,
        '--out',
        path,
    )
    assert_golden_stq(json.loads(path.read_text()))
    for key in ('STQ', 'AQ', 'IoU'):
        assert f'{key}: {GOLDEN["stq"][key]:.7f}' in out


def table_rows(text, columns):
    """Cells of all tables."""
    rows = [line.strip('|').split('|') for line in text.splitlines()]
    return [[cell.strip() for cell in row][:columns] for row in rows]


def test_tools_explain_themselves(data, run_tool, capsys):
    for path in data.glob('gt/video_2/*'):
        path.unlink()
    for tool in ('eval_vpq', 'eval_stq'):
        with pytest.raises(
            SystemExit, match=f'{tool}: {data}/gt/video_2/.*does not exist'
        ):
            run_tool(tool, data)
    for bad in (['--nproc', 0], ['--windows', 0], ['--out', 'table.txt']):
        with pytest.raises(SystemExit):
            run_tool('eval_vpq', data, *bad)
        assert bad[0] in capsys.readouterr().err


def test_windows_longer_than_all_videos(data, run_tool):
    path = data / 'vpq.json'
    out = run_tool('eval_vpq', data, '--windows', 1, 50, '--out', path)
    assert 'No video has 50 frames' in out
    summary = json.loads(path.read_text())
    assert summary['VPQ']['All'] == pytest.approx(
        GOLDEN['per_k']['1']['All']['pq'], abs=1e-9
    )
    assert summary['windows']['50']['All']['pq'] is None


class Files:
    """Both JSON files, to be made wrong."""

    def __init__(self, root):
        self.root = root
        self.gt = json.loads((root / 'gt.json').read_text())
        self.pred = json.loads((root / 'pred/pred.json').read_text())
        self.video = self.pred['annotations'][0]
        self.frame = self.video['annotations'][1]
        self.gt_frame = self.gt['annotations'][0]['annotations'][1]
        self.mask = root / 'pred/pan_pred/video_0/00000001.png'
        self.gt_mask = root / 'gt/video_0/00000001.png'

    def evaluate(self):
        (self.root / 'gt.json').write_text(json.dumps(self.gt))
        (self.root / 'pred/pred.json').write_text(json.dumps(self.pred))
        categories, videos = list_videos(**golden_args(self.root))
        return [count_video(video) for video in videos]


def add_video(files):
    files.pred['annotations'].append(dict(files.video, video_id='video_9'))


def repeat_video(files):
    files.pred['annotations'].append(files.video)


def drop_video(files):
    del files.pred['annotations'][1]


def repeat_frame(files):
    files.video['annotations'].append(files.frame)


def drop_frame(files):
    files.video['annotations'].remove(files.frame)


def add_frame(files):
    files.video['annotations'].append(dict(files.frame, file_name='7.png'))


def repeat_gt_frame(files):
    images = files.gt['videos'][0]['images']
    images.append(images[0])


def drop_mask(files):
    files.mask.unlink()


def drop_id(files):
    del files.frame['segments_info'][0]


def add_id(files):
    files.frame['segments_info'].append(dict(id=77, category_id=0))


def drop_gt_id(files):
    del files.gt_frame['segments_info'][0]


def change_category(files):
    files.frame['segments_info'][0]['category_id'] = 60


def resize_mask(files):
    write_id_map(str(files.mask), np.ones((5, 6), np.uint32))


def resize_gt_mask(files):
    write_id_map(str(files.gt_mask), np.ones((5, 6), np.uint32))


def raw_gt_mask(files):
    cv2.imwrite(str(files.gt_mask), np.ones((32, 48), np.uint16))


def cut_mask(files):
    content = files.mask.read_bytes()
    files.mask.write_bytes(content[: len(content) // 2])


def drop_key(files):
    del files.gt['categories']


def drop_file_name(files):
    del files.frame['file_name']


def drop_all(files):
    files.gt.update(videos=[], annotations=[])
    files.pred.update(annotations=[])


@pytest.mark.parametrize(
    'spoil, message',
    [
        (add_video, r'pred.json has 1 video\(s\) that do not exist.*video_9'),
        (
            repeat_video,
            'pred.json: video video_0: another annotated video has',
        ),
        (drop_video, r'pred.json lacks 1 video\(s\) of .*gt.json: video_1'),
        (
            repeat_frame,
            'pred.json: video video_0, frame 00000001.png: another frame',
        ),
        (
            drop_frame,
            r'pred.json: video video_0 lacks 1 frame\(s\) .*: 00000001',
        ),
        (add_frame, r'video video_0 has 1 frame\(s\) that do not exist .*7'),
        (
            repeat_gt_frame,
            'gt.json: video video_0, frame 00000000.png: another frame',
        ),
        (drop_mask, 'video_0/00000001.png does not exist: a frame is missing'),
        (
            drop_id,
            'video_0, frame 00000001: the mask of the prediction has ids.*'
            'pan_pred/video_0/00000001.png',
        ),
        (add_id, '00000001: the list of segments of the prediction .*: 77'),
        (drop_gt_id, '00000001: the mask of the ground truth has ids'),
        (
            change_category,
            'pred.json: .*segment 247812: .* has the unknown category 60',
        ),
        (
            resize_mask,
            '00000001: the prediction is 5 x 6 .*ground truth 32 x 48',
        ),
        (resize_gt_mask, '00000001.png is 5 x 6 .*but 32 x 48 according to'),
        (raw_gt_mask, r'1 channel\(s\) of uint16, not 8 bit RGB'),
        (cut_mask, '00000001: .*cannot be read as an image'),
        (drop_key, "gt.json: the field 'categories' is missing"),
        (
            drop_file_name,
            "video_0, item 1 of annotations: the field 'file_name' is",
        ),
        (drop_all, 'lists no videos'),
    ],
)
def test_bad_input(data, spoil, message):
    files = Files(data)
    spoil(files)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        files.evaluate()


def test_frames_are_matched_by_name(data):
    """Whatever the order, with suffix and folder or not."""
    files = Files(data)
    expected = files.evaluate()
    files.pred['annotations'].reverse()
    files.video['annotations'].reverse()
    files.frame['file_name'] = 'images/video_0/00000001.jpg'
    for found, want in zip(files.evaluate(), expected):
        assert found.name == want.name
        np.testing.assert_array_equal(found.counts, want.counts)
    (data / 'gt.json').write_text('{"videos": [')
    with pytest.raises(ValueError, match='gt.json is not a JSON file'):
        list_videos(**golden_args(data))


def test_masks_are_written_as_they_are_read(tmp_path):
    ids = np.random.default_rng(0).integers(0, 1 << 24, (7, 9), np.uint32)
    path = str(tmp_path / 'ids.png')
    write_id_map(path, ids[:, ::-1])
    np.testing.assert_array_equal(read_id_map(path, ''), ids[:, ::-1])
    with pytest.raises(OSError):
        write_id_map(f'{path}/ids.png', ids)  # the folder is a file
