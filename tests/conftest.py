# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Settings of the process and fixtures for all tests."""

import gc
import logging
import os

from tests.test_tools import sitecustomize  # noqa: F401, before MMDetection

# Set before PyTorch reads it: tests run side by side and start processes.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# Tests measure memory.
os.environ.setdefault('MAXTRON_MALLOC', '0')

import projects.maxtron  # noqa: E402, F401, lets MMDetection load on mmcv-lite

import pytest  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402

from tests.fresh_start import end_workers, forget_runs  # noqa: E402
from tests.models import ROOT  # noqa: E402
from tools.misc.shared_bases import share_bases  # noqa: E402

share_bases(ROOT / 'configs')


def pytest_collection_finish():
    """Exclude everything that exists before the first test from collections.

    MMEngine calls gc.collect() whenever a dataset is built, which takes 0.3 s
    among the objects of all modules and tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_start():
    """Remove loggers, hubs and workers of earlier runs before every test."""
    forget_runs()
    yield
    end_workers()


@pytest.fixture
def log(caplog):
    """Messages of MMEngine's logger, which does not propagate."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        yield caplog
    logger.removeHandler(caplog.handler)
