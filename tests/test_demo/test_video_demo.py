# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import re
import resource
import runpy
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO

from projects.maxtron.apis import VideoWriter, open_frame_source

import cv2
import numpy as np
import pytest

from tests.footage import footage, read_frames, write_frames, write_video
from tests.memory import typical, watch_memory
from tests.scripts import start_fork
from tests.test_demo.demo_runs import (
    ALL_KINDS,
    DEMO,
    KINDS,
    check_outputs,
    outputs,
)


@pytest.fixture
def small(models):
    return models['instances']


@pytest.fixture(scope='module')
def long_video(tmp_path_factory):
    """Real footage of 96 frames of 320x136."""
    path = tmp_path_factory.mktemp('video') / 'long.mp4'
    frames = read_frames(footage('bikes.mp4'), 96)
    frames = [cv2.resize(frame, (320, 136)) for frame in frames]
    return str(write_video(path, frames))


@pytest.mark.slow
@ALL_KINDS
def test_memory_does_not_grow_with_the_video(
    models, kind, long_video, tmp_path
):
    log = tmp_path / 'memory.txt'
    result = start_fork(
        'demo/video_demo.py',
        tmp_path,
        long_video,
        *models[kind],
        *outputs(tmp_path),
        watch=partial(watch_memory, tmp_path / 'ids', log),
    )()
    out = result.stdout
    assert result.returncode == 0, result.stderr
    assert 'meshgrid' not in out + result.stderr
    check_outputs(
        kind, tmp_path, 96, (136, 320), [f'{i:06d}' for i in range(96)]
    )
    assert re.search(r'\n96 frames of 320x136 in .*peak memory \d+ MiB', out)
    assert f'Wrote {tmp_path}/out.json' in out
    early, late = typical(log, range(32, 48), range(64, 80))
    # 32 kept frames would add 4 MiB. Seen: up to 1.4 MiB on a busy machine.
    assert late < early + 2.5 * 2**20


def run(monkeypatch, *args):
    """Run the demo in this process; return its exit status or message."""
    monkeypatch.setattr(sys, 'argv', [DEMO, *map(str, args)])
    monkeypatch.setattr(warnings, 'formatwarning', warnings.formatwarning)
    try:
        runpy.run_path(DEMO, run_name='__main__')
    except SystemExit as error:
        return error.code


@pytest.mark.slow
@ALL_KINDS
def test_folder_of_frames(models, kind, tmp_path, monkeypatch, capsys):
    frames = read_frames(footage('carphone_pristine.mp4'), 11)
    clip = write_frames(tmp_path / 'clip', frames)
    folder = tmp_path / 'out'
    assert run(monkeypatch, clip, *models[kind], *outputs(folder)) is None
    check_outputs(kind, folder, 11, (144, 176), [f'{i}' for i in range(11)])
    assert open_frame_source(f'{folder}/new/out.mp4').fps == 10
    assert '11 frames of 176x144' in capsys.readouterr().out


def test_times_and_size_of_the_input_stay(models, tmp_path, monkeypatch):
    frames = read_frames(footage('carphone_pristine.mp4'), 6)
    times = [0, 0.1, 0.35, 0.4, 2, 2.1, 4]
    with VideoWriter(str(tmp_path / 'in.webm'), 25, (143, 175)) as writer:
        for frame, *span in zip(frames, times, times[1:]):
            writer.write(np.ascontiguousarray(frame[:143, :175]), span)
    args = [tmp_path / 'in.webm', *models['instances']]
    out = tmp_path / 'out.mp4'
    for fps, expected in (([], times), (['--fps', '5'], np.arange(7) / 5)):
        assert run(monkeypatch, *args, '--out', out, *fps) is None
        source = open_frame_source(out)
        assert source.size == (143, 175) and len(list(source)) == 6
        spans = [source.frame_times(i) for i in range(6)]
        np.testing.assert_allclose(
            spans, list(zip(expected, expected[1:])), atol=2e-3
        )


def test_same_stems_of_frames(models, tmp_path, monkeypatch):
    frames = read_frames(footage('carphone_pristine.mp4'), 2)
    clip = write_frames(tmp_path / 'clip', frames)
    for i, frame in enumerate(frames):
        cv2.imwrite(str(clip / f'{i}.jpg'), frame)
    (clip / '._0.jpg').write_bytes(b'of macOS')
    for kind in ('instances', 'panoptic'):
        out = tmp_path / kind
        with pytest.warns(UserWarning, match='no frames: ._0.jpg'):
            run(monkeypatch, clip, *models[kind], '--out-png', out)
        assert {path.name for path in out.glob('*.png')} == {
            '0.jpg.png',
            '0.png.png',
            '1.jpg.png',
            '1.png.png',
        }


@pytest.mark.parametrize(
    'option, name',
    [('--out', 'o.mp4'), ('--out-json', 'o.json'), ('--out-png', 'o')],
)
def test_full_disk(models, option, name, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 400, 600, 3), np.uint8)
    clip = write_frames(tmp_path / 'clip', frames)
    out = tmp_path / name
    if option != '--out-png':
        out.write_text('of an earlier run')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        # not to pytest's files, which have this limit, too
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            error = run(monkeypatch, clip, *models['instances'], option, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.startswith('error: ') and '\n' not in error
    assert f'{out}' in error and 'cannot be written: File too large' in error
    if option != '--out-png':
        assert out.read_text() == 'of an earlier run'
    assert not list(tmp_path.rglob('*.part*'))


def test_panoptic_json_needs_masks(models, tmp_path, monkeypatch):
    args = [footage('carphone_pristine.mp4'), *models['panoptic']]
    args[args.index('--checkpoint') + 1] = 'no.pth'  # is not looked for
    error = run(monkeypatch, *args, '--out-json', tmp_path / 'out.json')
    assert error.startswith('error: ') and '(--out-png)' in error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_panoptic_words(models, tmp_path, monkeypatch, capsys):
    args = [footage('carphone_pristine.mp4'), *models['panoptic']]
    png = ['--max-frames', '3', '--out-png', tmp_path / 'ids']
    assert run(monkeypatch, *args, *png, '--score-thr', '0.5') is None
    out, err = capsys.readouterr()
    assert '--score-thr has no effect on a panoptic model' in err
    table = json.loads((tmp_path / 'ids' / 'segments.json').read_text())
    num_things = sum(entry['isthing'] for entry in table)
    assert num_things and f', things tracked: {num_things}, peak' in out
    png[-1] = tmp_path / 'more'
    assert run(monkeypatch, *args, *png) is None
    assert '--score-thr' not in capsys.readouterr().err


@pytest.mark.slow
@KINDS
def test_broken_frame_in_the_middle(models, kind, tmp_path, monkeypatch):
    frames = read_frames(footage('carphone_pristine.mp4'), 16)
    clip = write_frames(tmp_path / 'clip', frames)
    broken = clip / '14.png'
    broken.write_bytes(broken.read_bytes()[:60])
    folder = tmp_path / 'out'
    message = run(monkeypatch, clip, *models[kind], *outputs(folder))
    assert '14.png cannot be read as an image' in message
    done = int(re.search(r'The (\d+) frames before', message)[1])
    assert done >= 4
    assert f'are kept in {folder}/new/out.part.mp4 and {folder}/o' in message
    assert len(read_frames(folder / 'new' / 'out.part.mp4')) == done
    json.loads((folder / 'out.part.json').read_text())
    assert not (folder / 'new' / 'out.mp4').exists()
    assert not (folder / 'out.json').exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    'args, message',
    [
        (['nowhere.mp4', '--out', 'o.mp4'], 'no file or folder nowhere.mp4'),
        (['97', '--out', 'o.mp4'], 'Camera 97 cannot be opened'),
        (['VIDEO', '--out-png', 'full'], 'full is not empty'),
        (['VIDEO', '--out', 'full/notes.txt/o.mp4'], 'o.mp4 cannot be writt'),
        (['VIDEO', '--out-json', 'full/notes.txt/o'], 'o cannot be written'),
        (['VIDEO', '--out-png', 'full/notes.txt/o'], 'o cannot be written'),
        (['VIDEO', '--out', 'o.mp4', '--checkpoint', 'no.pth'], 'no.pth'),
        (
            [
                'VIDEO',
                '--out',
                'o.mp4',
                '--cfg-options',
                '+model.backbone.deph=50',
            ],
            '"model.backbone" in the config has the key "deph"',
        ),
        (
            [
                'VIDEO',
                '--out',
                'o.mp4',
                '--cfg-options',
                'model.backbone.type=Missing',
            ],
            "has type='Missing', but the registry mmdet::model has no class",
        ),
        (
            ['VIDEO', '--out', 'o.mp4', '--mode', 'offline'],
            'the model has no cross-clip tracker',
        ),
        (
            ['VIDEO', '--out', 'o.mp4', '--feature-cache', 'none'],
            "'none' is of mode 'offline'",
        ),
    ],
)
def test_bad_input(small, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'notes.txt').touch()
    video = str(footage('carphone_pristine.mp4'))
    args = [video if arg == 'VIDEO' else arg for arg in args]
    error = run(monkeypatch, args[0], *small, *args[1:])
    assert error.startswith('error: ') and message in error


@pytest.mark.parametrize(
    'args, message',
    [
        ([], 'nothing to do'),
        (['--out', 'o.mp4', '--max-frames', '0'], '--max-frames: must be'),
        (['--out', 'o.mp4', '--fps', '0'], '--fps: must be'),
        (['--out', 'o.mp4', '--fps', 'nan'], '--fps: must be'),
        (['--out', 'o.mp4', '--fps', '90000'], '--fps: must be'),
        (['--out', 'VIDEO'], '--out would overwrite the input'),
        (['--out-json', 'VIDEO'], '--out-json would overwrite the input'),
        (['--out', 'o.docx'], 'use a name that ends in .mp4'),
        (['--out-json', '.'], '--out-json . is a folder'),
        (['--out-json', 'a', '--out-png', './a'], 'must differ'),
    ],
)
def test_bad_arguments(monkeypatch, capsys, args, message):
    video = str(footage('carphone_pristine.mp4'))
    args = [video if arg == 'VIDEO' else arg for arg in args]
    assert run(monkeypatch, video, 'config.py', *args) == 2
    assert message in capsys.readouterr().err
