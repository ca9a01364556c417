# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pictures of the attention of both segmenters' checkpoints."""

import cv2
import numpy as np
import pytest

from tests.footage import write_frames
from tests.models import ROOT, build, model_cfg
from tools.analysis_tools.visualize_trajectory import choose_layer, main

MODELS = {
    # checkpoint, layer, map, frames of a clip
    'tube-link': (
        'maxtron_tiny',
        'head.segmenter.pixel_decoder.encoder.'
        'layers.1.self_attn.temporal_layers.0',
        '6x10',
        3,
    ),
    'video-kmax': (
        'maxtron_tiny_panoptic',
        'neck.encoder.layers.1.temporal_layers.1',
        '7x11',
        2,
    ),
}


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """A bright square that moves over a textured ground."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 100, (96, 160, 3), dtype=np.uint8)
    frames = []
    for t in range(9):
        frame = ground.copy()
        frame[30:60, 20 + 12 * t : 50 + 12 * t] = (40, 220, 250)
        frames.append(frame)
    return write_frames(tmp_path_factory.mktemp('video') / 'frames', frames)


def command(segmenter, video, out, point=(35, 45), frame=0):
    (config,) = (ROOT / 'configs/maxtron/synthetic').glob(
        f'maxtron-nearonline_{segmenter}_tiny_*_synthetic-v?s.py'
    )
    checkpoint = ROOT / f'demo/{MODELS[segmenter][0]}.pth'
    return list(
        map(
            str,
            [
                config,
                checkpoint,
                video,
                '--point',
                *point,
                '--frame',
                frame,
                '--out',
                out,
                '--panel-width',
                160,
                '--device',
                'cpu',
            ],
        )
    )


def dots(picture):
    """Find the panels with the red dot, from left to right."""
    red = (picture == (0, 0, 255)).all(-1)
    return sorted(set(np.flatnonzero(red.any(0)) // 164))


@pytest.mark.slow
@pytest.mark.parametrize('segmenter', MODELS)
def test_clip_of_the_model(segmenter, video, tmp_path, capsys):
    _, layer, size, clip_len = MODELS[segmenter]
    out = tmp_path / 'new' / 'attention.png'
    main(command(segmenter, video, out, frame=clip_len, point=(80, 45)))
    picture = cv2.imread(str(out))
    # the frame is the first of the second clip
    assert picture.shape == (96 + 4, clip_len * (160 + 4), 3)
    assert dots(picture) == [0]
    printed = capsys.readouterr().out
    assert f'Layer {layer} (axial_trajectory)' in printed
    assert f'maps of {size}, ' in printed
    assert f'Wrote {out}' in printed
    # another point has another map
    other = tmp_path / 'other.png'
    main(command(segmenter, video, other, frame=clip_len, point=(10, 90)))
    assert (cv2.imread(str(other))[:, 164:] != picture[:, 164:]).any()


def test_frames_of_ones_own(video, tmp_path, capsys):
    out = tmp_path / 'attention.png'
    argv = command('video-kmax', video, out, frame=4, point=(95, 45))
    main([*argv, '--clip', '0', '2', '4', '6', '--layer', '0', '--level', '0'])
    picture = cv2.imread(str(out))
    assert picture.shape[1] == 4 * 164 and dots(picture) == [2]
    printed = capsys.readouterr().out
    assert 'neck.encoder.layers.0.temporal_layers.0' in printed
    assert 'level 0: maps of 4x6, reference in row 1, column 3' in printed


@pytest.mark.parametrize(
    'changes,message',
    [
        (['--point', '160', '45'], r'outside the frames, which are 160 wide'),
        (
            ['--frame', '9'],
            r'has 9 frames, numbered from 0; there is no frame 9',
        ),
        (['--clip', '0', '10'], r'there is no frame 10'),
        (['--layer', '2'], r'--layer 2 is none of\n  0: head.*\n  1: head'),
        (['--level', '2'], r'the layer has 2 levels; level 0 is the'),
    ],
)
def test_what_is_not_there(changes, message, video, tmp_path):
    out = tmp_path / 'attention.png'
    with pytest.raises(SystemExit, match=message):
        main(command('tube-link', video, out) + changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'changes,message',
    [
        (['--clip', '1', '2'], 'with --frame 0 among them'),
        (['--frame', '-1'], '--frame must be 0 or more'),
        (['--out', 'attention.mp4'], 'no image file'),
    ],
)
def test_wrong_arguments(changes, message, video, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(command('tube-link', video, tmp_path / 'x.png') + changes)
    assert message in capsys.readouterr().err


def test_baseline_has_nothing_to_draw():
    with pytest.raises(ValueError, match='it is a baseline'):
        choose_layer(build(model_cfg('tube-link_tiny')), -1)
