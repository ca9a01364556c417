# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The variables of the Makefile, without carrying anything out."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    shutil.which('make') is None, reason='make is not installed'
)


# `make test MMCV=full` passes its variables on to the tests.
OPTIONS = ('MMCV', 'VENV', 'PYTHON', 'TORCH', 'VIDEO', 'MODEL')


def make(*arguments, path=None):
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith('MAKE') and key not in OPTIONS
    }
    if path is not None:
        environment['PATH'] = f'{path}:{environment["PATH"]}'
    return subprocess.run(
        ['make', *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def dry_run(*arguments, **kwargs):
    result = make('-n', '-B', *arguments, **kwargs)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def gpu(tmp_path):
    """A folder for PATH, where nvidia-smi finds a GPU."""
    command = tmp_path / 'nvidia-smi'
    command.write_text('#!/bin/sh\necho GPU 0\n')
    command.chmod(0o755)
    return tmp_path


@pytest.fixture
def no_gpu(tmp_path):
    """A folder for PATH, where nvidia-smi fails."""
    command = tmp_path / 'nvidia-smi'
    command.write_text('#!/bin/sh\nexit 9\n')
    command.chmod(0o755)
    return tmp_path


def test_default_follows_the_machine(gpu):
    output = dry_run('test', path=gpu)
    assert "HAS_CUDA='yes'" in output
    assert "'python3' '.venv' 'full' '.venv/.maxtron-full'" in output
    assert "'.venv-lite' 'lite'" in dry_run('test', 'MMCV=lite', path=gpu)


def test_without_a_gpu(no_gpu):
    output = dry_run('test', path=no_gpu)
    assert "'python3' '.venv' 'lite' '.venv/.maxtron-lite'" in output
    assert "'.venv-full' 'full'" in dry_run('test', 'MMCV=full', path=no_gpu)


def test_python_venv_and_video_are_honoured():
    output = dry_run(
        'demo',
        'PYTHON=/opt/py',
        'VENV=/tmp/no/venv',
        'MMCV=full',
        'VIDEO=README.md',
    )
    assert "'/opt/py' '/tmp/no/venv' 'full'" in output
    command = "/tmp/no/venv/bin/python demo/video_demo.py 'README.md'"
    assert output.count(command) == 2  # both kinds of models
    assert 'tools/test.py' not in output and 'make_synthetic' not in output


def test_demo_makes_data_shows_videos_and_measures():
    output = dry_run('demo')
    position = 0
    for kind, config, checkpoint, formats in (
        ('instances', 'tube-link_tiny', 'maxtron_tiny.pth', 'youtube-vis'),
        ('panoptic', 'video-kmax_tiny', 'maxtron_tiny_panoptic.pth', 'vipseg'),
    ):
        for step in (
            f'--splits val --formats {formats}\n',
            'demo/video_demo.py',
            config,
            checkpoint,
            f"--out 'demo/output/held-out_{kind}.mp4'",
            'tools/test.py',
            config,
            checkpoint,
        ):
            position = output.index(step, position) + 1
    rows = ['input=data/held-out.mp4', 'truth=data/held-out_truth.mp4']
    for kind in ('instances', 'panoptic'):
        rows.append(f'{kind}=demo/output/held-out_{kind}.mp4')
    position = output.index('held-out_sheet.png', position)
    for row in rows:
        position = output.index(f"'{row}'", position)
    for config in re.findall(r"'(configs/[^']*)'", output):
        assert (ROOT / config).is_file()


def test_tests_run_side_by_side_or_some_of_them():
    assert re.search(
        r'-m pytest .* -n logical .*worksteal *$', dry_run('test'), re.M
    )
    output = dry_run('test', 'TESTS=tests/test_apis -k video -n0')
    assert output.endswith(' tests/test_apis -k video -n0\n')


def test_half_of_the_demo():
    output = dry_run('demo-panoptic')
    assert 'held-out_panoptic.mp4' in output and 'tools/test.py' in output
    assert 'tube-link' not in output and 'youtube-vis' not in output
    output = dry_run('demo-instances', 'VIDEO=README.md')
    assert 'tools/test.py' not in output and 'panoptic' not in output


def test_released_model_by_name():
    output = dry_run('demo', 'VIDEO=README.md', 'MODEL=a-model')
    assert (
        "demo/video_demo.py 'README.md' 'a-model'  "
        "--out 'demo/output/README.md_a-model.mp4'"
    ) in output
    assert output.count('video_demo.py') == 1
    assert output.endswith(" 'demo/output/README.md_a-model.mp4'\n")


def test_every_video_has_outputs_of_its_own():
    videos = (
        'docs/index.md',
        'README.md',
        'LICENSE',
        str(ROOT / 'README.md'),
        f'../{ROOT.name}/README.md',
    )
    outs = [
        re.search(r"--out '(.*)'", dry_run('demo-instances', f'VIDEO={video}'))
        for video in videos
    ]
    outs = [out[1] for out in outs]
    assert outs[1] == 'demo/output/README.md_instances.mp4'
    assert outs[4] == f'demo/output/up/{ROOT.name}/README.md_instances.mp4'
    assert all(out.startswith('demo/output/') for out in outs)
    assert len({os.path.normpath(out) for out in outs}) == len(videos)


def test_bad_values_are_refused(tmp_path):
    result = make('help', 'MMCV=both')
    assert result.returncode and 'MMCV must be lite or full' in result.stderr
    # an environment that is there and complete
    stamp = tmp_path / '.maxtron-lite'
    stamp.touch()
    result = make(
        'demo',
        f'VENV={tmp_path}',
        'MMCV=lite',
        '-o',
        str(stamp),
        'VIDEO=/no/such/film.mp4',
    )
    assert result.returncode
    assert 'No such video: /no/such/film.mp4' in result.stderr
