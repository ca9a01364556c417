# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import logging

import pytest
from mmengine.logging import MMLogger


@pytest.fixture
def log(caplog):
    """Messages of MMEngine's logger, which does not propagate."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        yield caplog
    logger.removeHandler(caplog.handler)
