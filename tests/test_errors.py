# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Errors of users' input, and how they arrive from workers."""

import re

from projects.maxtron.engine import CheckpointError
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import ConfigKeyError, InputError, error_message

import pytest
from torch.utils.data import DataLoader


class Failing:
    """A dataset of samples that raise an error each."""

    def __init__(self, errors):
        self.errors = errors

    def __len__(self):
        return len(self.errors)

    def __getitem__(self, index):
        try:
            raise KeyError('no such field')
        except KeyError as cause:
            raise self.errors[index] from cause


TEXT = 'train.json: video 3: bad.\nInput: see there'
ERRORS = [
    InputError(TEXT),
    ConfigKeyError(TEXT),
    CheckpointError(TEXT),
    FileNotFoundError(TEXT),
    FileNotFoundError(2, 'No such file', 'a.json'),
]


@pytest.mark.parametrize('num_workers', [0, 1])
def test_message_is_the_same_from_a_worker(num_workers):
    for error, arrived in zip(ERRORS, load(num_workers), strict=True):
        assert type(arrived) is type(error)
        assert ('Original Traceback' in str(arrived)) == (num_workers > 0)
        if error is ERRORS[-1]:
            text = ".*'a.json'$"
        else:
            assert error_message(arrived) == TEXT
            text = f'{re.escape(TEXT)}$'
        with pytest.raises(SystemExit, match=f'^tool: {text}'):
            with report_errors('tool'):
                raise arrived


def load(num_workers):
    """Load all samples; return the errors that arrive."""
    samples = iter(DataLoader(Failing(ERRORS), num_workers=num_workers))
    arrived = []
    for _ in ERRORS:
        try:
            next(samples)
        except Exception as error:
            arrived.append(error)
    assert next(samples, None) is None
    return arrived


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
