# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loading of checkpoints, and explanations why one does not fit."""

import logging

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from ..weights import CheckpointError, LoadedWeights, convert_content, load_any
from .checkpoint_report import (
    KeyReport,
    explain_frozen,
    explain_mismatch,
    keys_inside,
    new_modules,
    sibling_config,
)

# Beginning of PyTorch's message about a weight of another shape.
_SIZE_MISMATCH = 'size mismatch for '
# Parts that only the second stage trains.
_TRACKER_PARTS = ('head.tracker', 'head.tracker_heads')


def load_checkpoint_checked(
    model: nn.Module,
    path: str,
    map_location: str = 'cpu',
    config: str | None = None,
) -> dict:
    """Load a checkpoint that must fill every weight of the model.

    Keys under ``model.unused_parts`` may be missing. These are names of
    sub-modules that a prediction does not use, such as the tracker of
    :class:`MaXTron` in near-online modes. Unexpected keys are reported and
    ignored.

    Args:
        model (nn.Module): The model, possibly in a distributed wrapper.
        path (str): A file, or a URL that MMEngine can read.
        map_location (str): Device to load the weights to. Defaults to 'cpu'.
        config (str, optional): Path of the model's config; a message then
            names the config that the checkpoint belongs to.

    Returns:
        dict: The ``meta`` of the checkpoint: ``dataset_meta``, ``seed`` etc.
        Empty if the checkpoint has no ``meta``.

    Raises:
        CheckpointNotFoundError: If the file does not exist.
        CheckpointError: If the file is not a checkpoint, or belongs to another
            model.
    """
    model = _unwrap(model)
    loaded = load_any(path, map_location)
    loaded.log(path)
    report = load_matching(model, dict(loaded.state_dict))
    missing = report.missing_keys
    unused = keys_inside(getattr(model, 'unused_parts', ()), missing)
    missing = [key for key in missing if key not in unused]
    report = report._replace(missing_keys=missing)
    if (
        missing
        and not report.mismatched_keys
        and len(keys_inside(_TRACKER_PARTS, missing)) == len(missing)
    ):
        raise CheckpointError(_explain_no_tracker(path, missing, config))
    if report.num_unfilled:
        raise CheckpointError(explain_mismatch(model, path, loaded, report))
    if unused:
        print_log(
            f'{path} has no weights for {", ".join(model.unused_parts)}, '
            'which the prediction does not need.',
            logger='current',
        )
    _report_unexpected(model, path, report.unexpected_keys, config)
    return loaded.meta


def load_initial_weights(
    model: nn.Module, checkpoint: dict, path: str
) -> dict[str, Tensor]:
    """Load the initial weights of a training.

    The checkpoint may lack new layers and have other classes. The differences
    are logged. :func:`check_initial_weights` refuses unsuitable checkpoints.

    Args:
        model (nn.Module): The model, possibly in a distributed wrapper.
            Matching weights are loaded into it.
        checkpoint (dict): Content of the checkpoint.
        path (str): Path of the checkpoint, for messages.

    Returns:
        dict[str, Tensor]: The weights by their names in the model, including
        copies that the model made.

    Raises:
        CheckpointError: If the checkpoint belongs to another model.
    """
    model = _unwrap(model)
    loaded = convert_content(checkpoint, path)
    loaded.log(path)
    state = dict(loaded.state_dict)
    report = load_matching(model, state)
    check_initial_weights(model, loaded, report, path)
    new = new_modules(model, {*report.missing_keys, *report.mismatched_keys})
    if new:
        print_log(
            f'{path} initialises {type(model).__name__}, except '
            f'{len(report.missing_keys)} missing weights and '
            f'{len(report.mismatched_keys)} weights of another shape. These '
            f'start anew: {", ".join(new)}',
            logger='current',
        )
    return state


def check_initial_weights(
    model: nn.Module, loaded: LoadedWeights, report: KeyReport, path: str
) -> None:
    """Check that a checkpoint initialises enough weights of a training.

    All frozen weights (``model.frozen_parts``, names of sub-modules) must
    exist. Only trained weights in these parts may have another shape.

    Args:
        model (nn.Module): The model.
        loaded (LoadedWeights): The checkpoint.
        report (KeyReport): Comparison of both.
        path (str): Path of the checkpoint, for messages.

    Raises:
        CheckpointError: If the checkpoint fills less than half of the weights
            or not all frozen weights.
    """
    if 2 * report.num_unfilled > len(model.state_dict()):
        raise CheckpointError(explain_mismatch(model, path, loaded, report))
    frozen = getattr(model, 'frozen_parts', ())
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    unfilled = KeyReport(
        keys_inside(frozen, report.missing_keys),
        [],
        {
            key: report.mismatched_keys[key]
            for key in keys_inside(frozen, report.mismatched_keys)
            if key not in trained
        },
    )
    if unfilled.num_unfilled:
        raise CheckpointError(explain_frozen(path, frozen, unfilled))


def _explain_no_tracker(
    path: str, missing: list[str], config: str | None
) -> str:
    """Explain that a near-online checkpoint cannot predict offline."""
    return (
        f'{path} is near-online: it has no cross-clip tracker '
        f'({len(missing)} weights are missing, first: {missing[0]}). '
        'Train the second stage, with this file as load_from of the '
        'config; or predict near-online: '
        "model.head.test_cfg.mode='near_online' "
        '(the demo: --mode near_online), or '
        f'{sibling_config(config, "nearonline")}.'
    )


def _unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside a distributed wrapper."""
    return model.module if is_model_wrapper(model) else model


def _report_unexpected(
    model: nn.Module, path: str, keys: list[str], config: str | None
) -> None:
    """Log the weights of a checkpoint that do not exist in the model."""
    tracker = keys_inside(_TRACKER_PARTS, keys)
    if tracker:
        offline = sibling_config(config, 'offline')
        print_log(
            f'{path} is offline: it has a cross-clip tracker ({len(tracker)} '
            'weights), which this config does not use. The prediction is '
            f'near-online; to predict offline, use {offline}.',
            logger='current',
            level=logging.WARNING,
        )
    others = [key for key in keys if key not in tracker]
    if others:
        print_log(
            f'{len(others)} weights of {path} were ignored, which '
            f'{type(model).__name__} does not have: '
            f'{", ".join(others[:5])}{", ..." if len(others) > 5 else ""}',
            logger='current',
        )


def load_matching(model: nn.Module, weights: dict[str, Tensor]) -> KeyReport:
    """Load the matching weights, and list the others.

    ``nn.Module.load_state_dict`` raises an error if a shape differs and then
    does not return the missing and unexpected keys. This function returns
    them.

    Args:
        model (nn.Module): The model. Its modules may rename keys themselves.
        weights (dict[str, Tensor]): Weights by key. Changed in place:
            afterwards by their names in the model, including its copies.

    Returns:
        KeyReport: The keys that do not match.
    """
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []

    def visit(module: nn.Module, prefix: str) -> None:
        module._load_from_state_dict(
            weights, prefix, {}, True, missing, unexpected, errors
        )
        for name, child in module.named_children():
            visit(child, f'{prefix}{name}.')

    visit(model, '')
    mismatched = {
        error.strip().removeprefix(_SIZE_MISMATCH).split(':')[0]: error
        for error in errors
    }
    # Old checkpoints lack the counters of batch normalisation.
    missing = [key for key in missing if 'num_batches_tracked' not in key]
    return KeyReport(missing, unexpected, mismatched)
