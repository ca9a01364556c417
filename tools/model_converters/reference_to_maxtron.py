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
import re
from collections import OrderedDict
from collections.abc import Mapping

from projects.maxtron.engine import check_sections, load_config
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.utils import atomic_path

import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from torch import Tensor

from tools.model_converters.rules import backbones, names_of
from tools.model_converters.rules.names import Names
from tools.model_converters.weight_files import load_weights

_SEPARATE_QKV = re.compile(r'(.*_attn\.)([qkv])\.(weight|bias)')
# The shape is (1, 1, 1, C) in the original code with channels-last maps, and
# (C, ) in MMPretrain.
_GRN = re.compile(r'(.*\.)?grn\.(gamma|beta)')
# The VPS code has a convolution of kernel size 1 instead of a linear layer.
_CLIP_WEIGHT = re.compile(r'(.*\.)?tracker\.cls_weight\.weight')
# Entries of a checkpoint that are not converted, with reasons.
_DROPPED_ENTRIES = {
    'optimizer': 'state of the optimizer; a converted model starts a new run',
    'lr_scheduler': 'state of the learning rate schedule',
    'scheduler': 'state of the learning rate schedule',
    'amp': 'state of the loss scaling',
    'model_ema': 'moving average of the weights; the weights themselves are '
    'converted',
}


def convert_state_dict(
    state_dict: Mapping[str, Tensor],
    prefix: str = '',
    dropped: dict[str, str] | None = None,
) -> dict[str, Tensor]:
    """Convert the weights of the whole model or of one of its modules.

    Args:
        state_dict (Mapping[str, Tensor]): Weights by the names of the
            reference, relative to ``prefix``.
        prefix (str): Full name of the module in the reference with a dot at
            its end, such as 'panoptic_head.pixel_decoder.'. Defaults to '',
            the whole model.
        dropped (dict, optional): Dict to fill with the skipped names and the
            reasons. Defaults to None.

    Returns:
        dict[str, Tensor]: Weights by the names of this project, relative to
        the same module. Names of ``sem_seg_head.predictor`` become relative
        to ``head.segmenter``, names of ``cross_clip_tracking_module`` to
        ``head``. The VIS tracker is in ``panoptic_head`` in the reference and
        outside of ``head.segmenter`` here, so it keeps its full names.

    Raises:
        ValueError: If a name is unknown.
    """
    dropped = dict() if dropped is None else dropped
    names = names_of(prefix + key for key in state_dict)
    kept = OrderedDict()
    unknown = []
    for key, value in state_dict.items():
        full_key = prefix + key
        reason = _reason(names.dropped, full_key)
        if reason is not None:
            dropped[key] = reason
        elif names.known.fullmatch(full_key):
            kept[names.rename(full_key)] = value
        else:
            unknown.append(key)
    if unknown:
        raise ValueError(_describe_unknown(unknown, names))
    module = names.rename(prefix) if prefix else ''
    return OrderedDict(
        (key.removeprefix(module), _reshape(key, value))
        for key, value in join_qkv(kept).items()
    )


def _reshape(key: str, value: Tensor) -> Tensor:
    """Reshape a weight to its shape in this project."""
    if _GRN.fullmatch(key):
        return value.flatten()
    if _CLIP_WEIGHT.fullmatch(key):
        return value.flatten(1)
    return value


def _reason(rules: tuple[tuple, ...], key: str) -> str | None:
    """Find the reason why a key is skipped; None if it is converted."""
    return next((why for pattern, why in rules if pattern.match(key)), None)


def _describe_unknown(unknown: list[str], names: Names) -> str:
    """Write the error message for keys that no rule knows."""
    listed = '\n  '.join(unknown[:20])
    more = f'\n  and {len(unknown) - 20} more' if len(unknown) > 20 else ''
    hint = names.explain(unknown) if names.explain else ''
    return (
        f'{len(unknown)} keys are not those of {names.title}:\n  '
        f'{listed}{more}{hint}\n--help lists the files that can be converted.'
    )


def join_qkv(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Concatenate separate q, k and v, which are one weight in this project.

    Args:
        state_dict (Mapping[str, Tensor]): Weights by name.

    Returns:
        dict[str, Tensor]: Weights with ``qkv`` instead of q, k and v.

    Raises:
        ValueError: If one of the three is missing.
    """
    joined = OrderedDict()
    parts: dict[str, dict[str, Tensor]] = dict()
    for key, value in state_dict.items():
        match = _SEPARATE_QKV.fullmatch(key)
        if match is None:
            joined[key] = value
            continue
        attention, name, kind = match.groups()
        new_key = f'{attention}qkv.{kind}'
        parts.setdefault(new_key, dict())[name] = value
        joined[new_key] = value  # keep the position
    for key, part in parts.items():
        missing = [name for name in 'qkv' if name not in part]
        if missing:
            raise ValueError(
                f'{key} cannot be joined: the checkpoint lacks '
                f'{" and ".join(missing)} of it.'
            )
        joined[key] = torch.cat([part[name] for name in 'qkv'])
    return joined


def convert_checkpoint(checkpoint: dict) -> tuple[dict, dict[str, str]]:
    """Convert a whole checkpoint.

    Args:
        checkpoint (dict): Result of :func:`load_weights`.

    Returns:
        tuple[dict, dict[str, str]]: The converted checkpoint, and the names
        of the entries and weights that were left out, with the reasons.
    """
    dropped = {
        entry: _DROPPED_ENTRIES.get(entry, 'not part of the model')
        for entry in checkpoint
        if entry not in ('state_dict', 'meta')
    }
    state_dict = convert_state_dict(checkpoint['state_dict'], dropped=dropped)
    meta = checkpoint.get('meta') or dict()
    new_meta = dict()
    if meta.get('CLASSES'):
        new_meta['dataset_meta'] = dict(classes=tuple(meta['CLASSES']))
    return dict(meta=new_meta, state_dict=state_dict), dropped


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
    source = load_weights(args.src, args.trust)
    checkpoint, dropped = convert_checkpoint(source)
    state_dict = checkpoint['state_dict']
    if args.config is not None:
        part = (
            'backbone'
            if names_of(source['state_dict']) is backbones.NAMES
            else None
        )
        check_with_config(state_dict, args.config, part)
        print(f'All weights fit the {part or "model"} of {args.config}.')
    for name, reason in dropped.items():
        print(f'dropped {name}: {reason}')
    folder = os.path.dirname(os.path.abspath(args.dst))
    os.makedirs(folder, exist_ok=True)
    with atomic_path(args.dst) as part:
        torch.save(checkpoint, part)
    print(f'{len(state_dict)} tensors written to {args.dst}.')


if __name__ == '__main__':
    with report_errors('Nothing was written', RuntimeError, ValueError):
        main()
