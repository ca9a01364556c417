# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frozen parameters are one line of the log, with any constructor."""

import logging

import projects.maxtron  # noqa: F401
from projects.maxtron.engine import report_frozen_parameters

import pytest
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn


@pytest.fixture
def logged():
    """The logger of a run, and its records."""
    logger, messages = MMLogger.get_current_instance(), []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger.addHandler(handler)
    yield logger, messages
    logger.removeHandler(handler)
    logger.filters.clear()


@pytest.mark.parametrize(
    'constructor',
    ['DefaultOptimWrapperConstructor', 'SeparateMultOptimWrapperConstructor'],
)
def test_one_line(logged, constructor):
    logger, messages = logged
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    model[:2].requires_grad_(False)
    report_frozen_parameters(model, logger)
    init_default_scope('mmdet')
    build_optim_wrapper(
        model,
        dict(
            constructor=constructor,
            optimizer=dict(type='SGD', lr=1.0),
            paramwise_cfg=dict(bias_lr_mult=2.0),
        ),
    )
    about_frozen = [m for m in messages if 'frozen' in m or 'skipped' in m]
    assert about_frozen == [
        '4 of 6 parameters are frozen and not optimised, first: 0.weight'
    ]
    logger.warning('others are kept')
    assert messages[-1] == 'others are kept'


def test_nothing_is_frozen(logged):
    logger, messages = logged
    report_frozen_parameters(nn.Linear(2, 2), logger)
    assert messages == [] and logger.filters == []
