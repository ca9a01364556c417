# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Errors of users' input, and how they arrive from workers."""

from projects.maxtron.engine import CheckpointError
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import ConfigKeyError, InputError, error_message

import pytest
from torch.utils.data import DataLoader


class Failing:
    """A dataset that raises an error."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise KeyError('no such field')
        except KeyError as cause:
            raise self.error from cause


TEXT = 'train.json: video 3: bad.\nInput: see there'
ERRORS = [
    InputError(TEXT),
    ConfigKeyError(TEXT),
    CheckpointError(TEXT),
    FileNotFoundError(TEXT),
]


@pytest.mark.parametrize('num_workers', [0, 1])
@pytest.mark.parametrize('error', ERRORS, ids=lambda e: type(e).__name__)
def test_message_is_the_same_from_a_worker(num_workers, error):
    loader = DataLoader(Failing(error), num_workers=num_workers)
    with pytest.raises(type(error)) as raised:
        next(iter(loader))
    if num_workers:
        assert 'Original Traceback' in str(raised.value)
    assert error_message(raised.value) == TEXT
    with pytest.raises(SystemExit) as end, report_errors('tool'):
        next(iter(loader))
    assert end.value.code == f'tool: {TEXT}'


def test_error_of_the_system_names_the_file_from_a_worker(tmp_path):
    error = FileNotFoundError(2, 'No such file', 'a.json')
    with pytest.raises(SystemExit, match="^error: .*'a.json'$"):
        with report_errors():
            next(iter(DataLoader(Failing(error), num_workers=1)))


@pytest.mark.parametrize('error', [ValueError, KeyError, TypeError])
def test_faults_of_the_program_pass(error):
    with pytest.raises(error), report_errors():
        raise error('x')
    with pytest.raises(SystemExit, match='^name: '):
        with report_errors('name', error):
            raise error('x')


def test_callers_may_catch_the_built_in_errors():
    assert issubclass(CheckpointError, InputError)
    assert issubclass(InputError, ValueError)
    assert issubclass(ConfigKeyError, TypeError)
