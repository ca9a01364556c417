# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from pycocotools import mask as mask_utils

from tests.footage import (
    footage,
    read_frames,
    write_checkpoint,
    write_config,
    write_frames,
)
from tests.models import ROOT

DEMO = str(ROOT / 'demo/video_demo.py')
SIZE = (272, 640)


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Config and checkpoint of the small model."""
    folder = tmp_path_factory.mktemp('small')
    config = write_config(folder)
    checkpoint = write_checkpoint(folder / 'small.pth',
                                  Config.fromfile(config).model)
    return [str(config), '--checkpoint', str(checkpoint), '--device', 'cpu']


@pytest.fixture(scope='module')
def long_video(tmp_path_factory):
    """Real footage, 300 frames: 250, and the first 50 once more."""
    path = tmp_path_factory.mktemp('video') / 'long.mp4'
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'mp4v'), 25, SIZE[::-1])
    frames = read_frames(footage('bikes.mp4'))
    for frame in frames + frames[:50]:
        writer.write(frame)
    writer.release()
    return str(path)


def outputs(folder):
    return [
        '--out', f'{folder}/new/out.mp4', '--out-json', f'{folder}/out.json',
        '--out-png', f'{folder}/ids', '--score-thr', '0.01'
    ]


def start(*args):
    return subprocess.Popen(
        [sys.executable, DEMO, *args],
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def check_outputs(folder, num_frames, size, names):
    """All outputs have all frames, and agree."""
    written = read_frames(folder / 'new' / 'out.mp4')
    assert {frame.shape for frame in written} == {(*size, 3)}
    assert len(written) == num_frames
    tracks = json.loads((folder / 'out.json').read_text())
    assert tracks and all(
        len(track['segmentations']) == num_frames for track in tracks)
    masks = {track['instance_id']: track['segmentations'] for track in tracks}
    pngs = sorted(path.name for path in (folder / 'ids').iterdir())
    assert pngs == sorted(names)
    seen = set()
    for t in np.linspace(0, num_frames - 1, 5).astype(int):
        ids = np.array(Image.open(folder / 'ids' / names[t]))
        assert ids.shape == size
        for i in set(np.unique(ids)) - {0}:
            mask = mask_utils.decode(masks[i][t])
            assert mask.shape == size
            assert mask[ids == i].all()  # the rest is under other masks
            seen.add(i)
    assert len(seen) > 1
    assert not list(folder.rglob('*.part*'))


def test_memory_does_not_grow_with_the_video(small, long_video, tmp_path):
    runs = {
        count: start(long_video, *small, *outputs(tmp_path / str(count)),
                     '--max-frames', str(count))
        for count in (60, 300)
    }
    peaks = {}
    for count, process in runs.items():
        folder = tmp_path / str(count)
        out = finish(process)
        check_outputs(folder, count, SIZE,
                      [f'{i:06d}.png' for i in range(count)])
        assert re.search(rf'\n{count} frames of 640x272 in ', out)
        assert f'Wrote {folder}/out.json' in out
        peaks[count] = int(re.search(r'peak memory (\d+) MiB', out)[1])
    assert peaks[300] < 1.1 * peaks[60], peaks


def test_interrupted(small, long_video, tmp_path):
    process = start(long_video, *small, *outputs(tmp_path))
    while not (tmp_path / 'ids' / '000009.png').exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out = finish(process)
    count = int(re.search(r'(\d+) frames of 640x272', out)[1])
    assert 10 <= count < 300
    check_outputs(tmp_path, count, SIZE,
                  [f'{i:06d}.png' for i in range(count)])


def run(monkeypatch, *args):
    """Run the demo in this process; return its exit status or message."""
    monkeypatch.setattr(sys, 'argv', [DEMO, *map(str, args)])
    try:
        runpy.run_path(DEMO, run_name='__main__')
    except SystemExit as error:
        return error.code


def test_folder_of_frames(small, tmp_path, monkeypatch, capsys):
    frames = read_frames(footage('carphone_pristine.mp4'), 11)
    clip = write_frames(tmp_path / 'clip', frames)
    folder = tmp_path / 'out'
    assert run(monkeypatch, clip, *small, *outputs(folder)) is None
    check_outputs(folder, 11, (144, 176), [f'{i}.png' for i in range(11)])
    assert cv2.VideoCapture(f'{folder}/new/out.mp4').get(
        cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert '11 frames of 176x144' in capsys.readouterr().out


def test_broken_frame_in_the_middle(small, tmp_path, monkeypatch):
    frames = read_frames(footage('carphone_pristine.mp4'), 16)
    clip = write_frames(tmp_path / 'clip', frames)
    broken = clip / '14.png'
    broken.write_bytes(broken.read_bytes()[:60])
    folder = tmp_path / 'out'
    message = run(monkeypatch, clip, *small, *outputs(folder))
    assert '14.png cannot be read as an image' in message
    done = int(re.search(r'The (\d+) frames before', message)[1])
    assert done >= 4
    assert len(read_frames(folder / 'new' / 'out.part.mp4')) == done
    assert not (folder / 'new' / 'out.mp4').exists()
    assert not (folder / 'out.json').exists()


@pytest.mark.parametrize('args, message', [
    (['nowhere.mp4', '--out', 'o.mp4'], 'no file or folder nowhere.mp4'),
    (['97', '--out', 'o.mp4'], 'Camera 97 cannot be opened'),
    (['VIDEO', '--out', 'o.docx'], 'name that ends in .mp4'),
    (['VIDEO', '--out-png', 'full'], 'full is not empty'),
    (['VIDEO', '--out', 'o.mp4', '--checkpoint', 'no.pth'], 'no.pth'),
    (['VIDEO', '--out', 'o.mp4', '--cfg-options', '+model.backbone.deph=50'],
     '"model.backbone" in the config has the key "deph"'),
    (['VIDEO', '--out', 'o.mp4', '--cfg-options',
      'model.backbone.type=Missing'], 'cannot be built: KeyError: '),
])
def test_bad_input(small, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'notes.txt').touch()
    video = str(footage('carphone_pristine.mp4'))
    args = [video if arg == 'VIDEO' else arg for arg in args]
    error = run(monkeypatch, args[0], *small, *args[1:])
    assert error.startswith('error: ') and message in error


@pytest.mark.parametrize('args, message', [
    ([], 'nothing to do'),
    (['--out', 'o.mp4', '--max-frames', '0'], '--max-frames must be'),
    (['--out', 'o.mp4', '--fps', '0'], '--fps must be'),
    (['--out', 'VIDEO'], 'would overwrite the input'),
])
def test_bad_arguments(monkeypatch, capsys, args, message):
    video = str(footage('carphone_pristine.mp4'))
    args = [video if arg == 'VIDEO' else arg for arg in args]
    assert run(monkeypatch, video, 'config.py', *args) == 2
    assert message in capsys.readouterr().err
