# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Fixtures of all tests of datasets and their transforms."""

import shutil

import pytest
from mmengine.registry import init_default_scope

from tests.test_datasets.tiny_panoptic import write_dataset
from tests.test_datasets.tiny_videos import write_dataset as write_videos
from tools.dataset_converters.make_synthetic import main as make_synthetic


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """The tiny panoptic dataset."""
    root = tmp_path_factory.mktemp('vipseg')
    write_dataset(root)
    return root


@pytest.fixture(scope='module')
def video_root(tmp_path_factory):
    """The tiny videos with instances."""
    root = tmp_path_factory.mktemp('videos')
    write_videos(root)
    return root


@pytest.fixture(scope='session')
def small(tmp_path_factory):
    """The small synthetic set, both formats, made by two processes."""
    root = tmp_path_factory.mktemp('synthetic') / 'set'
    make_synthetic([str(root), '--size', 'small', '--nproc', '2'])
    return root


@pytest.fixture
def own_root(root, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(root, tmp_path / 'own')
