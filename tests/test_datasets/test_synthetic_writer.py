# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.datasets.synthetic.classes import (
    SYNTHETIC_STUFF_CLASSES,
    SYNTHETIC_THING_CLASSES,
)
from projects.maxtron.datasets.synthetic.video import PRESETS, make_video
from projects.maxtron.datasets.synthetic.writer import (
    SyntheticWriter,
    write_video,
)

import numpy as np
import pytest

from tests.footage import read_frames as read_video
from tests.test_datasets.synthetic_files import digest
from tools.dataset_converters.make_synthetic import (
    draw_truth,
    main,
    name_segment,
)


def test_interrupted_run_continues(small, tmp_path, capsys):
    writer = SyntheticWriter(str(tmp_path), PRESETS['small'])
    formats = writer.begin('val')
    jobs = writer.jobs('val', formats)
    write_video(jobs[2])  # then the power fails in the next one
    half = tmp_path / 'youtube-vis' / 'val' / 'JPEGImages' / 'val_0003.tmp'
    half.mkdir(parents=True)
    (half / '00000.jpg').write_bytes(b'half of a')
    assert not (tmp_path / 'youtube-vis' / 'annotations').exists()
    done = tmp_path / 'vipseg' / 'panomasks' / 'val_0002' / '00000.png'
    stamp = done.stat().st_mtime_ns
    argv = [str(tmp_path), '--nproc', '1', '--splits', 'val']
    main(argv)
    assert done.stat().st_mtime_ns == stamp
    made = digest(tmp_path)
    made.pop('synthetic.json')
    assert made == {k: v for k, v in digest(small).items() if k in made}
    assert not [key for key in made if '.progress' in key or '.tmp' in key]
    capsys.readouterr()
    main(argv)
    assert 'complete, left alone' in capsys.readouterr().out
    # overwriting replaces only this split and no file of the user
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(SystemExit, match='seed 0 instead of 1.*overwrite'):
        main(argv + ['--seed', '1'])
    with pytest.raises(SystemExit, match='num_videos 4 instead of 2'):
        main(argv + ['--num-val', '2'])
    main(argv + ['--num-val', '2', '--overwrite'])
    assert (tmp_path / 'notes.txt').read_text() == 'mine'
    assert sorted(
        path.name for path in (tmp_path / 'vipseg' / 'imgs').iterdir()
    ) == ['val_0000', 'val_0001']


def test_formats_can_be_made_one_after_the_other(small, tmp_path):
    argv = [str(tmp_path), '--nproc', '1', '--splits', 'val', '--formats']
    main(argv + ['vipseg'])
    assert not (tmp_path / 'youtube-vis').exists()
    main(argv + ['youtube-vis', 'vipseg'])
    made = digest(tmp_path)
    made.pop('synthetic.json')
    assert made == {k: v for k, v in digest(small).items() if k in made}
    assert len([k for k in made if k.startswith('youtube-vis/val/JPEG')]) > 40


@pytest.mark.parametrize(
    'argv, message',
    [
        (['--frames', '8', '10'], 'must have 12 or more'),
        (['--frames', '20', '14'], 'got 20 to 14'),
        (['--height', '32'], 'at least 64 pixels high.*got 32x160'),
        (['--num-val', '0'], '"val" needs at least one video, got 0'),
        (['--jpeg-quality', '0'], 'must be 1 to 100: 0'),
        (['--seed', '-1'], 'must not be negative: -1'),
        (['--video-out', 'a.mp4', '--video-frames', '5'], '12 frames or more'),
    ],
)
def test_bad_values_are_explained(tmp_path, argv, message):
    with pytest.raises(SystemExit, match=message):
        main([str(tmp_path / 'set')] + argv)
    assert not list(tmp_path.rglob('*.jpg'))


@pytest.mark.parametrize(
    'argv, message',
    [
        (
            ['x', '--video-out', 'clip.avi'],
            'clip.avi is not a valid name of a video',
        ),
        (
            ['x', '--video-fps', '0'],
            '--video-fps must be from 0.01 to 1000, got 0',
        ),
        (['x', '--nproc', '0'], '--nproc must be 1 or more, got 0'),
        (['x', '--truth-out', 't.mp4'], '--truth-out needs --video-out'),
        (
            ['x', '--splits', 'dev'],
            "--size small has no split ['dev'], only train, val",
        ),
        ([], 'name an OUT_DIR for a set, or --video-out for a video'),
    ],
)
def test_bad_usage_is_explained(capsys, argv, message):
    with pytest.raises(SystemExit):
        main(argv)
    assert message in capsys.readouterr().err


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    for argv in ([], ['--overwrite']):
        with pytest.raises(SystemExit, match='not empty.*Nothing was change'):
            main([str(tmp_path)] + argv)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']
    with pytest.raises(SystemExit, match='is a file; name a folder'):
        main([str(tmp_path / 'thesis.tex')])
    for content in ('{"settings": {', '[]', '{"bpm": 120}'):
        (tmp_path / 'synthetic.json').write_text(content)
        with pytest.raises(SystemExit, match='json was not written by this'):
            main([str(tmp_path), '--overwrite'])


def test_held_out_video(tmp_path):
    path = tmp_path / 'new' / 'clip.mp4'
    truth = tmp_path / 'truth.mp4'
    options = ['--video-frames', '20', '--truth-out', str(truth)]
    main(['--video-out', str(path), *options])
    read = read_video(path)
    expected = make_video(PRESETS['small'], 'demo', 0, 'crossing', 20)
    assert np.shape(read) == expected.frames.shape
    assert np.abs(np.float32(read) - expected.frames).mean() < 12
    assert [p.name for p in path.parent.iterdir()] == ['clip.mp4']
    assert np.shape(read_video(truth)) == expected.frames.shape


def test_true_segments_are_drawn():
    video = make_video(PRESETS['small'], 'demo', 0, 'crossing', 12)
    drawn = draw_truth(video)
    changes = (drawn != video.frames).any(-1)
    assert changes[video.ids > 0].mean() > 0.99
    assert name_segment(2) == SYNTHETIC_STUFF_CLASSES[1]
    first_thing = 1 + len(SYNTHETIC_STUFF_CLASSES)
    text = name_segment(100 * first_thing + 7)
    assert text == f'{SYNTHETIC_THING_CLASSES[0]} 7'
