# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Report of frozen parameters in one line."""

import logging

from torch import nn


def report_frozen_parameters(model: nn.Module, logger: logging.Logger) -> None:
    """Log how many parameters are frozen, instead of a warning for each.

    MMEngine's constructors of optimizers warn of every parameter that does
    not require a gradient. A second stage freezes hundreds on purpose.

    Args:
        model (nn.Module): The model before the optimizer is built.
        logger (logging.Logger): Logger of the run. It drops MMEngine's
            warnings after this call.
    """
    parameters = dict(model.named_parameters())
    frozen = [n for n, p in parameters.items() if not p.requires_grad]
    if frozen:
        logger.addFilter(_is_no_skipped_parameter)
        logger.info(
            f'{len(frozen)} of {len(parameters)} parameters are frozen and '
            f'not optimised, first: {frozen[0]}'
        )


def _is_no_skipped_parameter(record: logging.LogRecord) -> bool:
    """Return False for MMEngine's warnings about frozen parameters."""
    text = record.getMessage()
    return not text.endswith('is skipped since its requires_grad=False')
