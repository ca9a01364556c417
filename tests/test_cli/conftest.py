# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A small model, a folder of videos, and the results of an undisturbed run."""

import pytest

from tests.footage import make_model
from tests.test_cli.batches import HERE, batch, write_batch


@pytest.fixture(scope='session')
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp('model'))


@pytest.fixture(scope='session')
def folder(tmp_path_factory):
    return write_batch(tmp_path_factory.mktemp('videos'))


@pytest.fixture(scope='session')
def whole(model, folder, tmp_path_factory):
    """Results of a run that nothing disturbs."""
    out = tmp_path_factory.mktemp('whole')
    assert batch(model, folder, out, *HERE) == 1
    return out
