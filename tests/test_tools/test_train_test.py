# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""tools/train.py, tools/test.py and the scripts that start them."""

import os
import pickle
import re
import subprocess
from pathlib import Path

import pytest
import torch

from tests.damaged_checkpoints import write_damaged
from tests.models import ROOT
from tests.scripts import run, run_fork, run_script

CONFIG = Path(__file__).with_name('toy_config.py')
VIDEO_KMAX = (
    ROOT / 'configs/video_kmax/vipseg/video-kmax_r50_8xb4-40k_vipseg.py'
)


def losses(output):
    return re.findall(r'Iter\(train\) \[ *(\d+)/6\].* loss: ([\d.]+)', output)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder where the toy model was trained."""
    folder = tmp_path_factory.mktemp('trained')
    result = run('tools/train.py', folder, CONFIG)
    assert result.returncode == 0, result.stderr
    return folder, result.stdout + result.stderr


@pytest.mark.slow
def test_train_says_batch_size_and_learning_rate(trained):
    folder, output = trained
    assert (folder / 'work_dirs/toy_config/iter_6.pth').is_file()
    assert 'Batch size 2: 1 process(es) x 2 sample(s)' in output
    assert 'Learning rate 0.01, meant for a batch size of 16.' in output
    assert 'pass --auto-scale-lr' in output


@pytest.mark.slow
def test_resume_and_options(trained, tmp_path):
    folder, output = trained
    work_dir = folder / 'work_dirs/toy_config'
    again = losses(
        run_script(
            'tools/train.py',
            CONFIG,
            '--resume',
            work_dir / 'iter_3.pth',
            '--work-dir',
            tmp_path / 'out',
            '--cfg-options',
            'default_hooks.checkpoint.max_keep_ckpts=1',
        )
    )
    assert again == losses(output)[3:] and len(again) == 3
    assert (tmp_path / 'out/iter_6.pth').is_file()


@pytest.mark.slow
def test_resume_with_nothing_to_resume_starts_from_load_from(
    trained, tmp_path
):
    folder, _ = trained
    start = folder / 'work_dirs/toy_config/iter_3.pth'
    command = (
        'tools/train.py',
        CONFIG,
        '--resume',
        '--work-dir',
        tmp_path / 'out',
        '--cfg-options',
        f'load_from={start}',
    )
    output = run_script(*command)
    assert f'the run starts anew, from {start}.' in output
    assert f'Load checkpoint from {start}' in output
    assert len(losses(output)) == 6
    output = run_script(*command, 'train_cfg.max_iters=7')  # now there is one
    assert f'Load checkpoint from {start}' not in output
    assert 'resumed epoch: 0, iter: 6' in output


@pytest.mark.slow
def test_test_measures_and_dumps(trained, tmp_path):
    folder, _ = trained
    checkpoint = folder / 'work_dirs/toy_config/iter_6.pth'
    result = run_fork(
        'tools/test.py',
        tmp_path,
        CONFIG,
        checkpoint,
        '--out',
        tmp_path / 'out.pkl',
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    mean = float(re.search(r'toy/mean: ([-\d.]+)', output)[1])
    predictions = pickle.loads((tmp_path / 'out.pkl').read_bytes())
    scores = [sample['score'].item() for sample in predictions]
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    inputs = (torch.arange(12.0) / 12)[:, None].expand(12, 3)
    hidden = inputs @ weights['backbone.weight'].T + weights['backbone.bias']
    expected = hidden @ weights['head.weight'].T + weights['head.bias']
    torch.testing.assert_close(torch.tensor(scores), expected[:, 0])
    assert mean == pytest.approx(expected.mean().item(), abs=1e-4)


no_gpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason='about machines without a GPU'
)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('no_config.py',), 'Config not found: no_config.py'),
        (
            (CONFIG, '--cfg-options', 'model.hiden_channels=8'),
            'Did you mean model.hidden_channels?',
        ),
        pytest.param(
            (VIDEO_KMAX,),
            '--cfg-options optim_wrapper.type=OptimWrapper',
            marks=no_gpu,
        ),
        pytest.param(
            (CONFIG, '--amp-dtype', 'fp16'),
            '--amp-dtype fp16 needs a CUDA device',
            marks=no_gpu,
        ),
        pytest.param(
            (CONFIG, '--launcher', 'slurm'),
            'launcher "slurm" needs accelerators',
            marks=no_gpu,
        ),
    ],
)
def test_wrong_arguments_end_with_a_sentence(run_here, arguments, message):
    end, printed = run_here('train.py', *arguments)
    assert end.code == 2
    assert message in printed


def test_unknown_argument_names_place_class_and_file(run_here, tmp_path):
    config = tmp_path / 'misspelt.py'
    config.write_text(
        f'_base_ = [{str(CONFIG)!r}]\nmodel = dict(hiden_channels=8)\n'
    )
    end, _ = run_here('train.py', config)
    assert str(end).startswith(
        'error: "model" in the config has the key "hiden_channels", which '
        'ToyModel'
    )
    assert 'toy_project.py' in str(end)
    assert str(end).endswith('Did you mean hidden_channels?')


@pytest.mark.parametrize(
    'tool, line, message',
    [
        ('train.py', 'x = = 1', ', line 2: SyntaxError: invalid syntax'),
        (
            'test.py',
            'custom_imports = dict(imports="no_module")',
            'PYTHONPATH',
        ),
        ('test.py', "model = 'ToyModel'", '"model" is \'ToyModel\', but must'),
        (
            'train.py',
            'model = dict(_delete_=True, hidden_channels=4)',
            '"model" has no "type"',
        ),
        (
            'test.py',
            'test_dataloader = dict(_delete_=True, batch_size=1)',
            '"test_dataloader" has no "dataset"',
        ),
        (
            'train.py',
            "optim_wrapper = dict(_delete_=True, type='OptimWrapper')",
            '"optim_wrapper" has no "optimizer"',
        ),
        (
            'train.py',
            'param_scheduler = [dict(begin=0)]',
            '"param_scheduler.0" has no "type"',
        ),
        ('train.py', 'train_cfg = 3', 'train_loop should be a Loop object'),
    ],
)
def test_faulty_config_is_named(run_here, tmp_path, tool, line, message):
    config = tmp_path / 'faulty.py'
    config.write_text(f'_base_ = [{str(CONFIG)!r}]\n{line}\n')
    checkpoint = ['no.pth'] if tool == 'test.py' else []
    end, _ = run_here(tool, config, *checkpoint)
    assert end.code.startswith(f'error: {config}')
    assert message in end.code and '\n' not in end.code


def test_checkpoint_of_another_model_is_refused(run_here, tmp_path):
    torch.save(
        dict(state_dict={'backbone.conv1.weight': torch.rand(3, 3)}),
        tmp_path / 'other.pth',
    )
    end, _ = run_here('test.py', CONFIG, 'other.pth')
    assert end.code.startswith('error: other.pth does not fit ToyModel as')
    assert '0 of 4 weights match' in end.code


@pytest.mark.parametrize(
    'command, arguments, words',
    [
        (
            'train.py',
            ('--cfg-options', 'load_from={}'),
            'load_from of the config: {} cannot be read',
        ),
        ('train.py', ('--resume', '{}'), 'Cannot resume: {} cannot be read'),
        ('test.py', ('{}',), '{} cannot be read'),
        ('model_converters/publish_model.py', ('{}', 'out.pth'), '{} cannot'),
    ],
)
def test_damaged_checkpoint_is_refused(
    run_here, tmp_path, command, arguments, words
):
    path = tmp_path / 'my run, half.pth'
    write_damaged(path, 'half')
    config = () if 'publish' in command else (CONFIG,)
    arguments = [argument.format(path) for argument in arguments]
    end, _ = run_here(command, *config, *arguments)
    assert end.code.startswith(f'error: {words.format(path)}')
    assert not (tmp_path / 'out.pth').exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    'script',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'],
)
def test_scripts_tell_their_usage(tmp_path, script):
    result = run(f'tools/{script}', tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f'Usage: tools/{script} ')


@pytest.mark.slow
@pytest.mark.parametrize(
    'command, expected',
    [
        (
            ('slurm_train.sh', 'gpu', 'a job', 'a config.py', 'out', '--amp'),
            '-p gpu --job-name=a_job --ntasks=4 tools/train.py a_config.py '
            '--work-dir out --amp --launcher slurm',
        ),
        (
            ('slurm_test.sh', 'gpu', 'a job', 'a config.py', 'a.pth', '--tta'),
            '-p gpu --job-name=a_job --ntasks=4 tools/test.py a_config.py '
            'a.pth --tta --launcher slurm',
        ),
        (
            ('dist_test.sh', 'a config.py', 'a.pth', '4', '--tta'),
            '-m torch.distributed.run --nproc_per_node=4 tools/test.py '
            'a_config.py a.pth --tta --launcher pytorch',
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else '',
)
def test_scripts_pass_everything_on(tmp_path, command, expected):
    """The launchers are programs that print their arguments."""
    for name in ('srun', 'python'):
        (tmp_path / name).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (tmp_path / name).chmod(0o755)
    result = subprocess.run(
        ['bash', ROOT / 'tools' / command[0], *command[1:]],
        env=dict(
            os.environ,
            PATH=f'{tmp_path}:{os.environ["PATH"]}',
            PYTHON=str(tmp_path / 'python'),
            GPUS='4',
        ),
        capture_output=True,
        text=True,
    )
    words = result.stdout.replace(f'{ROOT}/', '').replace(' ', '_').split('\n')
    positions = [words.index(word) for word in expected.split()]
    assert positions == sorted(positions)
    tail = expected.split(' tools/')[1].split()
    assert words[-len(tail) - 1 : -1] == [f'tools/{tail[0]}', *tail[1:]]
