# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Batches of videos: results, failures, and runs that go on."""

import json
import os
import shutil
import signal
from pathlib import Path

from projects.maxtron.cli.batch.inputs import find_videos
from projects.maxtron.errors import InputError
from projects.maxtron.web import open_review

import pytest
from filelock import FileLock

from tests.footage import PANOPTIC_CONFIG, make_model
from tests.processes import exit_code
from tests.test_cli.batches import BROKEN, HERE, batch, make_deadly, read_tree

NAMES = ['day0/0.mp4', 'day0/2.mp4', 'day1/1.mp4', 'frames']


def test_results_and_failures(whole, folder):
    tree = read_tree(whole)
    for name in NAMES:
        files = {'video.mp4', 'results.json', 'record.json'}
        masks = {f'masks/{i:06d}.png' for i in range(4)}
        if name == 'frames':
            masks = {f'masks/{i}.png' for i in range(4)}
        assert {f'{name}/{file}' for file in files | masks} <= set(tree)
    assert len(tree) == 7 * len(NAMES) + 3 + 2  # manifest.json, .lock
    manifest = json.loads(tree['manifest.json'])
    records = {record['video']: record for record in manifest['videos']}
    assert set(records) == {*NAMES, *BROKEN, 'cut'} and not manifest['missing']
    errors = {name: record['error'] for name, record in records.items()}
    assert not any(errors[name] for name in NAMES)
    assert '(0 bytes)' in errors['empty.mp4']
    assert 'cannot be read as a video' in errors['noise.avi']
    assert 'cannot be read as an image' in errors['cut']
    assert not any(record['traceback'] for record in records.values())
    review = open_review(whole / NAMES[0], folder / NAMES[0])  # maxtron view
    assert review.num_frames == 4 and review.tracks[0].scores
    with pytest.raises(InputError, match=r'no results.json .*: record.json'):
        open_review(whole / 'noise.avi', folder / NAMES[0])


def die_at_rename(count, model, folder, out):
    """Run a batch that is killed when a result gets its name."""
    rename = os.rename

    def rename_or_die(*paths):
        nonlocal count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*paths)

    os.rename = rename_or_die
    batch(model, folder, out, *HERE)


@pytest.mark.slow
def test_killed_run_goes_on(model, folder, whole, tmp_path, capsys):
    out = tmp_path / 'out'
    code = exit_code(die_at_rename, 3, model, folder, out)
    assert code == -signal.SIGKILL
    assert list((out / '.parts').iterdir())  # was in work
    assert batch(model, folder, out, *HERE) == 1
    text = capsys.readouterr().out
    assert '7 videos: 3 done, 1 already there, 3 failed' in text
    assert read_tree(out) == read_tree(whole)


def test_what_makes_results_again(model, folder, whole, tmp_path, capsys):
    first = Path(shutil.copy(folder / 'day0/0.mp4', tmp_path))
    list_file = tmp_path / 'list.txt'
    lines = [str(first), '', '# a comment', f'{folder}/frames']
    list_file.write_text('\n'.join(lines))
    run = (model, list_file, tmp_path / 'out', *HERE, '--save', 'json')

    def summary(*options):
        assert batch(*run, *options) == 0
        return capsys.readouterr().out

    assert '2 done, 0 already there' in summary()
    assert '0 done, 2 already there' in summary()
    text = summary('--max-frames', 2)
    assert 'because of: max_frames (2)' in text and '2 done' in text
    os.utime(first, ns=(0, first.stat().st_mtime_ns + 1))
    text = summary('--max-frames', 2)
    assert 'because of: input file (1)' in text and '1 already' in text
    (result,) = (tmp_path / 'out').rglob('frames/results.json')
    result.unlink()
    assert '1 done, 1 already there' in summary('--max-frames', 2)
    with FileLock(tmp_path / 'out' / '.lock'):
        with pytest.raises(SystemExit, match='Another "maxtron batch" writes'):
            batch(*run)


def test_videos_of_a_folder(folder, tmp_path):
    videos = find_videos(str(folder), str(folder / 'day0'))
    assert [video.name for video in videos] == sorted(
        {'day1/1.mp4', 'frames', 'cut', *BROKEN}
    )
    assert videos[1].path == str(folder / 'day1/1.mp4')
    (tmp_path / 'list').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(InputError, match='is no list of videos'):
        find_videos(str(tmp_path / 'list'), '')
    with pytest.raises(InputError, match='has no video'):
        find_videos(str(tmp_path), '')


def test_panoptic_model_and_options_that_do_not_fit_it(
    model, folder, tmp_path
):
    panoptic = make_model(tmp_path, PANOPTIC_CONFIG)
    with pytest.raises(SystemExit, match='^error: The JSON file of a panop'):
        batch(panoptic, folder, tmp_path / 'out', *HERE, '--save', 'json')
    assert 'missing' in (tmp_path / 'out' / 'manifest.json').read_text()
    assert batch(panoptic, folder / 'day1', tmp_path / 'out', *HERE) == 0
    tree = read_tree(tmp_path / 'out' / '1.mp4')
    names = {'masks/segments.json', 'masks/000003.png', 'results.json'}
    assert names | {'video.mp4', 'record.json'} <= set(tree)
    review = open_review(tmp_path / 'out' / '1.mp4', folder / 'day1/1.mp4')
    assert review.num_frames == 4 and len(review.tracks) > 1


@pytest.mark.slow
def test_video_of_a_dead_process_is_tried_again(folder, tmp_path, capsys):
    model = make_deadly(tmp_path)
    out = tmp_path / 'out'
    assert batch(model, folder / 'day0', out, '--workers', 1) == 0
    assert (tmp_path / 'died').exists()
    assert '2 videos: 2 done' in capsys.readouterr().out
