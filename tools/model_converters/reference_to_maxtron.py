# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Convert a checkpoint of the reference's VIS code (MMDetection 2.x names).

    python tools/model_converters/reference_to_maxtron.py SRC DST \
        [--config CONFIG]

MMDetection 2.x checkpoints of Mask2Former, which the reference starts from,
have the same names and are converted as well.
"""
import argparse
import os
import pickle
import re
import sys
from collections import OrderedDict
from typing import Dict, List, Mapping, Optional, Tuple

import torch
from torch import Tensor

# Names of the reference that are known, as patterns of whole keys. A part
# that ends in '.' holds a module whose own parameters are weight and bias.
_HEAD = r'panoptic_head\.'
_ENCODER = _HEAD + r'pixel_decoder\.encoder\.layers\.\d+\.'
_DECODER = _HEAD + r'transformer_decoder\.layers\.\d+\.'
_TEMPORAL = _ENCODER + r'attentions\.0\.temporal_layer\.temporal_layers\.\d+\.'
_FFN = r'ffns\.0\.layers\.(0\.0|1)\.'
_RES_BLOCK = r'backbone\.layer\d\.\d+\.'
_SWIN_BLOCK = r'backbone\.stages\.\d\.blocks\.\d+\.'
_MODULES = (
    _HEAD + r'pixel_decoder\.(input|lateral|output)_convs\.\d\.(conv|gn)\.',
    _HEAD + r'pixel_decoder\.mask_feature\.',
    _ENCODER + r'attentions\.0\.(sampling_offsets|attention_weights'
    r'|value_proj|output_proj)\.',
    _ENCODER + r'norms\.\d\.',
    _ENCODER + _FFN,
    _TEMPORAL + r'(height|width)_attn\.(q|k|v|proj_q|proj_kv|proj)\.',
    _TEMPORAL + r'(norm[12]|linear[12])\.',
    _DECODER + r'attentions\.[01]\.attn\.out_proj\.',
    _DECODER + r'norms\.\d\.',
    _DECODER + _FFN,
    _HEAD + r'transformer_decoder\.post_norm\.',
    _HEAD + r'(cls_embed|mask_embed\.\d)\.',
    r'backbone\.conv1\.',
    _RES_BLOCK + r'(conv\d|downsample\.0)\.',
    r'backbone\.patch_embed\.(projection|norm)\.',
    _SWIN_BLOCK + r'(norm[12]|attn\.w_msa\.(qkv|proj))\.',
    _SWIN_BLOCK + r'ffn\.layers\.(0\.0|1)\.',
    r'backbone\.stages\.\d\.downsample\.(norm|reduction)\.',
    r'backbone\.norm\d\.',
)
_NORMS_WITH_STATISTICS = (
    r'backbone\.bn1\.',
    _RES_BLOCK + r'(bn\d|downsample\.1)\.',
)
_PARAMETERS = (
    _HEAD + r'(query_embed|query_feat|level_embed)\.weight',
    _HEAD + r'pixel_decoder\.(level_encoding|level_3d_encodeing)\.weight',
    _ENCODER + r'attentions\.0\.gamma',
    _DECODER + r'attentions\.[01]\.attn\.in_proj_(weight|bias)',
    _SWIN_BLOCK + r'attn\.w_msa\.relative_position_(bias_table|index)',
)
_STATISTICS = '(weight|bias|running_mean|running_var|num_batches_tracked)'
_KNOWN = re.compile('|'.join(
    f'({pattern})'
    for pattern in (*(f'{module}(weight|bias)' for module in _MODULES),
                    *(norm + _STATISTICS
                      for norm in _NORMS_WITH_STATISTICS), *_PARAMETERS)))
# In this order, on the whole name.
_RENAMES = tuple((re.compile(pattern), new) for pattern, new in (
    (r'^panoptic_head\.', 'head.segmenter.'),
    (r'(pixel_decoder\.encoder\.layers\.\d+\.)attentions\.0\.',
     r'\1self_attn.'),
    (r'(transformer_decoder\.layers\.\d+\.)attentions\.0\.',
     r'\1cross_attn.'),
    (r'(transformer_decoder\.layers\.\d+\.)attentions\.1\.', r'\1self_attn.'),
    (r'(coder\.layers\.\d+\.)ffns\.0\.', r'\1ffn.'),
    (r'self_attn\.temporal_layer\.', 'self_attn.'),
    (r'level_3d_encodeing\.', 'level_3d_encoding.'),
))
_SEPARATE_QKV = re.compile(r'(.*_attn\.)([qkv])\.(weight|bias)')
_OFFLINE = re.compile(
    _HEAD + r'(transformer_trajectory_self_attention_layers'
    r'|conv_short_aggregate_layers|conv_norms|activation_proj)\.')
# What a checkpoint file or its state dict may hold besides the model.
_DROPPED_KEYS = ((re.compile(r'ema_'), 'moving average of the weights; the '
                  'weights themselves are converted'), )
_DROPPED_ENTRIES = {
    'optimizer': 'state of the optimizer; a converted model starts a new run',
    'lr_scheduler': 'state of the learning rate schedule',
    'amp': 'state of the loss scaling',
}


def rename_key(key: str) -> str:
    """Translate one name, or the beginning of one up to a dot.

    Args:
        key (str): Full name in the reference, such as 'panoptic_head.'
            or 'backbone.conv1.weight'.

    Returns:
        str: Full name in this project. Separate q, k and v keep their names
        here; :func:`convert_state_dict` joins them.
    """
    for pattern, new in _RENAMES:
        key = pattern.sub(new, key)
    return key


def convert_state_dict(
        state_dict: Mapping[str, Tensor],
        prefix: str = '',
        dropped: Optional[Dict[str, str]] = None) -> Dict[str, Tensor]:
    """Convert the weights of the whole model or of one of its modules.

    Args:
        state_dict (Mapping[str, Tensor]): Weights by the reference's names,
            relative to ``prefix``.
        prefix (str): The module that the weights belong to, by its full name
            in the reference and with a dot at its end, such as
            'panoptic_head.pixel_decoder.'. Defaults to '', the whole model.
        dropped (dict, optional): Filled with the names that are left out, and
            why. Defaults to None.

    Returns:
        dict[str, Tensor]: Weights by this project's names, relative to the
        same module.

    Raises:
        ValueError: A key is not known, or is one of an offline model.
    """
    dropped = dict() if dropped is None else dropped
    kept = OrderedDict()
    unknown, offline = [], []
    for key, value in state_dict.items():
        full_key = prefix + key
        reason = next((why for pattern, why in _DROPPED_KEYS
                       if pattern.match(full_key)), None)
        if reason is not None:
            dropped[key] = reason
        elif _KNOWN.fullmatch(full_key):
            kept[rename_key(full_key)] = value
        elif _OFFLINE.match(full_key):
            offline.append(key)
        else:
            unknown.append(key)
    if unknown:
        raise ValueError(_describe_unknown(unknown))
    if offline:
        raise ValueError(
            f'This is the checkpoint of an offline model: {len(offline)} of '
            f'its weights, from {offline[0]!r} on, belong to the cross-clip '
            'tracker, which this version does not yet convert. Convert the '
            'near-online checkpoint instead.')
    new_prefix = rename_key(prefix)
    return OrderedDict((key[len(new_prefix):], value)
                       for key, value in join_qkv(kept).items())


def _describe_unknown(unknown: List[str]) -> str:
    """The error message for keys that no rule knows."""
    names = '\n  '.join(unknown[:20])
    more = f'\n  and {len(unknown) - 20} more' if len(unknown) > 20 else ''
    hint = ''
    if any('.self_attn.' in key or key.startswith('head.')
           for key in unknown):
        hint = ('\nThe names look like those of MMDetection 3.x: such a file '
                'needs no conversion, give it to load_from as it is.')
    return (f'{len(unknown)} keys are not those of a VIS checkpoint of the '
            f'reference (MMDetection 2.x names):\n  {names}{more}{hint}')


def join_qkv(state_dict: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Concatenate separate q, k and v, which this project has as one."""
    joined = OrderedDict()
    parts: Dict[str, Dict[str, Tensor]] = dict()
    for key, value in state_dict.items():
        match = _SEPARATE_QKV.fullmatch(key)
        if match is None:
            joined[key] = value
            continue
        attention, name, kind = match.groups()
        new_key = f'{attention}qkv.{kind}'
        parts.setdefault(new_key, dict())[name] = value
        joined[new_key] = value  # keeps the place
    for key, part in parts.items():
        missing = [name for name in 'qkv' if name not in part]
        if missing:
            raise ValueError(f'{key} cannot be joined: the checkpoint lacks '
                             f'{" and ".join(missing)} of it.')
        joined[key] = torch.cat([part[name] for name in 'qkv'])
    return joined


def load_reference(path: str, trust: bool = False) -> dict:
    """Read a checkpoint file of the reference.

    Args:
        path (str): The file.
        trust (bool): Whether to run the code that the file may hold, see
            :func:`torch.load`. Defaults to False.

    Returns:
        dict: 'state_dict' and whatever else is in the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint, or cannot be read safely.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'There is no checkpoint at {path}.')
    try:
        checkpoint = torch.load(
            path, map_location='cpu', weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} is no checkpoint of PyTorch, or it holds objects other '
            'than tensors and plain numbers. If you trust where it comes '
            'from, read it with --trust, which lets it run its code. '
            f'({str(error).splitlines()[0]})') from error
    except (EOFError, RuntimeError) as error:
        raise ValueError(f'{path} cannot be read as a checkpoint of PyTorch: '
                         f'is it complete? ({error})') from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{path} holds a {type(checkpoint).__name__}, not a '
                         'checkpoint (a dict with "state_dict").')
    if 'state_dict' not in checkpoint:
        checkpoint = dict(state_dict=checkpoint)
    return checkpoint


def convert_checkpoint(checkpoint: dict) -> Tuple[dict, Dict[str, str]]:
    """Convert a whole checkpoint.

    Args:
        checkpoint (dict): What :func:`load_reference` gives.

    Returns:
        tuple: The checkpoint to be saved, and the names of what was left
        out with the reasons.
    """
    dropped = {
        entry: _DROPPED_ENTRIES.get(entry, 'not part of the model')
        for entry in checkpoint if entry not in ('state_dict', 'meta')
    }
    state_dict = convert_state_dict(checkpoint['state_dict'], dropped=dropped)
    meta = checkpoint.get('meta') or dict()
    new_meta = dict()
    if meta.get('CLASSES'):
        new_meta['dataset_meta'] = dict(classes=tuple(meta['CLASSES']))
    return dict(meta=new_meta, state_dict=state_dict), dropped


def check_with_config(state_dict: Mapping[str, Tensor], config: str) -> None:
    """Load the converted weights strictly into the model of a config.

    Args:
        state_dict (Mapping[str, Tensor]): Converted weights.
        config (str): Path of the config.

    Raises:
        RuntimeError: Names or shapes differ from those of the model.
    """
    import projects.maxtron  # noqa: F401, must come before MMDetection

    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from mmdet.registry import MODELS  # isort: skip
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    MODELS.build(cfg.model).load_state_dict(state_dict, strict=True)


def parse_args(args: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('src', help='checkpoint of the reference')
    parser.add_argument('dst', help='where to write the converted one')
    parser.add_argument(
        '--config', help='config of the model that must fit exactly')
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that holds more than tensors and plain numbers; '
        'it can run code, so do this only if you trust its source')
    return parser.parse_args(args)


def main(args: Optional[List[str]] = None) -> None:
    """Convert one file; nothing is written unless everything fits."""
    args = parse_args(args)
    checkpoint, dropped = convert_checkpoint(
        load_reference(args.src, args.trust))
    state_dict = checkpoint['state_dict']
    if args.config is not None:
        check_with_config(state_dict, args.config)
        print(f'All weights fit the model of {args.config}.')
    for name, reason in dropped.items():
        print(f'dropped {name}: {reason}')
    from projects.maxtron.utils import atomic_path

    folder = os.path.dirname(os.path.abspath(args.dst))
    os.makedirs(folder, exist_ok=True)
    with atomic_path(args.dst) as part:
        torch.save(checkpoint, part)
    print(f'{len(state_dict)} tensors written to {args.dst}.')


if __name__ == '__main__':
    # `projects` is found from the repository root wherever this is run from
    sys.path.insert(
        0, os.path.dirname(os.path.dirname(os.path.dirname(
            os.path.abspath(__file__)))))
    try:
        main()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f'Nothing was written. {error}')
