# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Fixtures of all tests of datasets and their transforms."""

import shutil

import pytest
from mmengine.registry import init_default_scope

from tests.test_datasets.tiny_panoptic import write_dataset


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """The tiny panoptic dataset."""
    root = tmp_path_factory.mktemp('vipseg')
    write_dataset(root)
    return root


@pytest.fixture
def own_root(root, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(root, tmp_path / 'own')
