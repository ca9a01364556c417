# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A file that is not a good checkpoint is refused in one line."""

import projects.maxtron  # noqa: F401
from projects.maxtron.engine import CheckpointError, read_checkpoint

import pytest
import torch

from tests.damaged_checkpoints import DAMAGED, write_damaged


@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_files(tmp_path, capfd, name):
    path = tmp_path / 'some.pth'
    words = write_damaged(path, name)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(str(path))
    message = str(error.value)
    assert message.startswith(
        f'{path} cannot be read as a PyTorch checkpoint: '
    )
    assert words in message and '\n' not in message
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('legacy', [False, True])
def test_good_files(tmp_path, legacy):
    path = tmp_path / 'some.pth'
    content = dict(state_dict=dict(weight=torch.rand(3)), meta=dict(seed=2))
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(str(path))
    assert read['meta'] == content['meta']
    assert read['state_dict']['weight'].equal(content['state_dict']['weight'])


def test_folders_and_addresses(tmp_path):
    with pytest.raises(CheckpointError, match='it is a folder'):
        read_checkpoint(str(tmp_path))
    with pytest.raises(CheckpointError, match='Checkpoint not found'):
        read_checkpoint(str(tmp_path / 'some.pth'))
    with pytest.raises(CheckpointError, match='cannot be downloaded'):
        read_checkpoint('http://localhost:9/some.pth')
