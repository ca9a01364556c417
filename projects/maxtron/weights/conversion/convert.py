# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of a state dict by the rules of its code base."""

import re
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor

from .names import Names
from .recognition import names_of

_SEPARATE_QKV = re.compile(r'(.*_attn\.)([qkv])\.(weight|bias)')
# The shape is (1, 1, 1, C) in the original code with channels-last maps, and
# (C, ) in MMPretrain.
_GRN = re.compile(r'(.*\.)?grn\.(gamma|beta)')
# The VPS code has a convolution of kernel size 1 instead of a linear layer.
_CLIP_WEIGHT = re.compile(r'(.*\.)?tracker\.cls_weight\.weight')


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
