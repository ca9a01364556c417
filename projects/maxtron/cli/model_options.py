# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Arguments of the model, shared by the sub-commands."""

import argparse
from typing import Any

from ..apis import (
    MaXTronInferencer,
    OutputOptions,
    check_panoptic_outputs,
    find_model,
    is_panoptic_config,
)
from ..engine import add_inference_options, chosen_options
from ..engine.cli import add_cfg_options
from ..errors import InputError

MODEL_HELP = 'name of a released model ("maxtron models"), or config file'


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the model, except its name (``model``).

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.add_argument(
        '--checkpoint',
        help='file, URL or name of the weights (default: those of the '
        'released model)',
    )
    parser.add_argument(
        '--device',
        help='such as cuda:0 or cpu (default: the first GPU, if any)',
    )
    parser.add_argument(
        '--mode',
        choices=['near_online', 'offline', 'video', 'clip'],
        help='near_online: results come while the video is read; offline: a '
        'cross-clip tracker sees the whole video first (default: as '
        'configured; clip and video are old names of near_online with '
        '--segment-decision per_clip and per_video)',
    )
    parser.add_argument(
        '--segment-decision',
        choices=['per_clip', 'per_video'],
        help='near_online, panoptic models: decide on the segments of each '
        'clip, or of the whole video at its end (default: per_clip)',
    )
    parser.add_argument(
        '--feature-cache',
        choices=['device', 'cpu', 'cpu_fp16', 'disk', 'none'],
        help='place of the pixel embeddings in mode offline until the end of '
        'the video; disk is a temporary file, and none computes them a second '
        'time instead, in flat memory',
    )
    add_inference_options(parser)
    parser.add_argument(
        '--onnx',
        metavar='FILE',
        help='run the network of this file of export_onnx.py instead',
    )
    parser.add_argument(
        '--provider',
        choices=['cpu', 'cuda', 'tensorrt'],
        help='provider of ONNX Runtime (default: that of the device)',
    )
    add_cfg_options(parser)


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of :func:`build_inferencer`.

    Args:
        args (Namespace): Parsed arguments, with ``model``.
    """
    names = (
        'model',
        'checkpoint',
        'device',
        'cfg_options',
        'mode',
        'feature_cache',
        'segment_decision',
        'onnx',
        'provider',
    )
    options = {name: getattr(args, name) for name in names}
    return {**options, **chosen_options(args)}


def build_inferencer(
    model: str,
    checkpoint: str | None = None,
    device: str | None = None,
    cfg_options: dict | None = None,
    outputs: OutputOptions | None = None,
    **options,
) -> MaXTronInferencer:
    """Build a model that a user named.

    Args:
        model (str): Name of a released model, or config file.
        checkpoint (str, optional): File, URL or name of the weights.
        device (str, optional): Device of the model.
        cfg_options (dict, optional): Values that override the config.
        outputs (OutputOptions, optional): Outputs that the model must be able
            to produce. Defaults to None.
        **options: Other arguments of :class:`MaXTronInferencer`.

    Returns:
        MaXTronInferencer: The model.

    Raises:
        InputError: If the config, the checkpoint or an option has a fault, or
            the model cannot produce an output.
    """
    config, checkpoint = find_model(model, checkpoint, cfg_options)
    if outputs is not None and is_panoptic_config(config):
        check_panoptic_outputs(outputs.png, outputs.json)
    try:
        return MaXTronInferencer(config, checkpoint, device, **options)
    except InputError:
        raise
    except (TypeError, KeyError, ImportError) as error:
        # str() of a KeyError would add quotes.
        text = ' '.join(str(error.args[0] if error.args else '').split())
        raise InputError(
            f'{model} cannot be built: {type(error).__name__}: {text}'
        ) from error
