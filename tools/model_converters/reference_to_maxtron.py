# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Convert weights of the reference code, and its initial weights.

    python tools/model_converters/reference_to_maxtron.py SRC DST

The names of the weights in SRC determine the conversion. SRC may be

* a VIS checkpoint of the reference, near-online or offline, or a Mask2Former
  of MMDetection 2.x, which has the same names;
* a VPS checkpoint of the reference, near-online or offline, or a COCO panoptic
  checkpoint that it starts from: kMaX with or without deformable attention;
* weights of a backbone: a ResNet of Detectron2 (R-50.pkl), or an original
  ConvNeXt or ConvNeXt V2. Use the result as
  ``backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=DST))``.
"""

import argparse
import os
from collections.abc import Mapping

from projects.maxtron.engine import check_sections, load_config
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.utils import atomic_path
from projects.maxtron.weights import (
    CheckpointError,
    UnsafeCheckpointError,
    convert_by_rules,
    convert_state_dict,
    read_checkpoint,
)

import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from torch import Tensor

__all__ = ['convert_state_dict', 'main']


def check_with_config(
    state_dict: Mapping[str, Tensor], config: str, part: str | None = None
) -> None:
    """Load the converted weights strictly into the model of a config.

    Args:
        state_dict (Mapping[str, Tensor]): Converted weights.
        config (str): Path of the config.
        part (str, optional): Key of the model's config that the weights are
            for, such as 'backbone'. Defaults to None, the whole model.

    Raises:
        RuntimeError: Names or shapes differ from those of the model.
    """
    cfg = load_config(config)
    check_sections(cfg, {'model': 'type'}, 'give a config of a model.')
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = cfg.model if part is None else cfg.model[part]
    try:
        MODELS.build(model).load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        raise RuntimeError(
            f'{error}\nUse the config of the dataset that these weights were '
            'trained on: another number of classes does not fit (COCO and '
            'VIPSeg, for example).'
        ) from error


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('src', help='file with the weights to convert')
    parser.add_argument('dst', help='file to write the converted weights to')
    parser.add_argument(
        '--config', help='config of the model that must fit exactly'
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that holds more than tensors and plain numbers; '
        'it can run code, so do this only if you trust its source',
    )
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Convert one file; nothing is written unless everything fits."""
    args = parse_args(args)
    loaded = convert_by_rules(_read(args.src, args.trust), args.src)
    if args.config is not None:
        part = 'backbone' if loaded.is_backbone else None
        check_with_config(loaded.state_dict, args.config, part)
        print(f'All weights fit the {part or "model"} of {args.config}.')
    dropped = {**loaded.dropped_entries, **loaded.dropped}
    for name, reason in dropped.items():
        print(f'dropped {name}: {reason}')
    with atomic_path(args.dst) as part:
        torch.save(dict(meta=loaded.meta, state_dict=loaded.state_dict), part)
    print(f'{len(loaded.state_dict)} tensors written to {args.dst}.')


def _read(path: str, trust: bool) -> dict:
    """Read the source file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f'There is no checkpoint at {path}.')
    try:
        return read_checkpoint(path, trust=trust)
    except UnsafeCheckpointError as error:
        raise InputError(
            f'{path} holds objects other than tensors and plain numbers. If '
            'you trust where it comes from, read it with --trust, which lets '
            f'it run its code. ({error.__cause__})'
        ) from error
    except CheckpointError as error:
        raise InputError(
            f'{path} is no checkpoint of PyTorch that can be read: is it '
            f'complete? ({error})'
        ) from error


if __name__ == '__main__':
    with report_errors('Nothing was written', RuntimeError, ValueError):
        main()
