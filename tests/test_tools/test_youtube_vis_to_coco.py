# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.dataset_converters.youtube_vis_to_coco import convert, main

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools/dataset_converters/youtube_vis_to_coco.py'
GOLDEN = json.loads((ROOT / 'tests/data/parity/vis/convert.json').read_text())
TRAIN = json.dumps(GOLDEN['input'])
VALID = json.dumps({k: GOLDEN['input'][k] for k in ('videos', 'categories')})


@pytest.fixture
def run(capsys):
    """Run the tool; return its exit status or last words, and stderr."""

    def start(*args):
        status = None
        try:
            main([str(arg) for arg in args])
        except SystemExit as end:
            status = end.code
        err = capsys.readouterr().err
        return SimpleNamespace(status=status, stderr=err)

    return start


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_equals_the_reference():
    assert convert(GOLDEN['input'], True) == GOLDEN['train']
    assert convert(GOLDEN['input'], False) == GOLDEN['valid']


@pytest.mark.parametrize(
    'version, train, valid, output',
    [
        ('2019', 'train.json', 'valid.json', 'youtube_vis_2019_{}.json'),
        (
            '2021',
            'train/instances.json',
            'valid/instances.json',
            'youtube_vis_2021_{}.json',
        ),
        (
            '2022',
            'train/instances.json',
            'valid/instances.json',
            'youtube_vis_2022_{}.json',
        ),
        (
            'ovis',
            'annotations_train.json',
            'annotations_valid.json',
            'ovis_{}.json',
        ),
        ('custom', 'train.json', 'valid.json', '{}.json'),
    ],
)
def test_layouts(run, tmp_path, version, train, valid, output):
    """A missing test split is no error; nothing unfinished stays."""
    write(tmp_path / train, TRAIN)
    write(tmp_path / valid, VALID)
    assert run(tmp_path, '--version', version).status is None
    out = tmp_path / 'annotations'
    assert {path.name for path in out.iterdir()} == {
        output.format('train'),
        output.format('valid'),
    }
    for split in ('train', 'valid'):
        written = json.loads((out / output.format(split)).read_text())
        assert written == GOLDEN[split]


def test_ground_truth_of_valid(run, tmp_path):
    """As published for OVIS under a name of its own."""
    write(tmp_path / 'validGT.json', TRAIN)
    args = (
        tmp_path,
        '--version',
        'ovis',
        '--source',
        tmp_path / 'validGT.json',
        '--splits',
        'valid',
    )
    target = tmp_path / 'annotations/ovis_valid.json'
    # in a process of its own, from the command line
    result = subprocess.run(
        [sys.executable, SCRIPT, *args], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert '4/4' in result.stdout  # progress
    assert json.loads(target.read_text()) == GOLDEN['valid']
    assert run(*args, '--with-gt').status is None
    assert json.loads(target.read_text()) == GOLDEN['train']
    write(tmp_path / 'validGT.json', VALID)
    result = run(*args, '--with-gt')
    assert 'validGT.json has no annotations' in result.status
    assert json.loads(target.read_text()) == GOLDEN['train']  # as it was


def test_missing_and_converted_files(run, tmp_path):
    result = run(tmp_path, '--version', '2019')
    assert result.status == 2 and 'error: No such file' in result.stderr
    (tmp_path / 'train.json').write_text(TRAIN[:100])
    message = run(tmp_path, '--version', '2019').status
    assert message.startswith(
        f'error: {tmp_path}/train.json is not a JSON file'
    )
    write(tmp_path / 'train.json', json.dumps(GOLDEN['train']))
    message = run(tmp_path, '--version', '2019').status
    assert 'is not an original annotation file' in message
    assert not (tmp_path / 'annotations').exists()


@pytest.mark.parametrize(
    'key, value, message',
    [
        (
            'category_id',
            9,
            r'annotation 4 has the unknown category 9; .*1, 2, 3',
        ),
        ('video_id', 9, 'annotation 4 belongs to video 9'),
        ('areas', [1], 'annotation 4 has 1 areas, but video 2 has 8 frames'),
    ],
)
def test_bad_annotations(key, value, message):
    source = json.loads(TRAIN)
    source['annotations'][0][key] = value
    with pytest.raises(ValueError, match=message):
        convert(source, True)


def test_videos_without_frames_and_masks_of_another_size():
    source = json.loads(VALID)
    source['videos'][0]['file_names'] = []
    with pytest.raises(ValueError, match=r'video \d+ has no frames'):
        convert(source, False)
    source = json.loads(TRAIN)
    ann = source['annotations'][0]
    frame, mask = next(
        (frame, mask)
        for frame, mask in enumerate(ann['segmentations'])
        if mask is not None
    )
    mask['size'] = [2, 3]
    message = f'annotation {ann["id"]} has a mask of 2 x 3 .* frame {frame},'
    with pytest.raises(ValueError, match=message):
        convert(source, True)
