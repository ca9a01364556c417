# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loads a checkpoint, or says why it does not fit."""

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

Origins = tuple[tuple[str, str], ...]

_CONVERTER = 'tools/model_converters/reference_to_maxtron.py'
# The first pattern found in a key of the checkpoint tells where it is from.
_FOREIGN = (
    (
        r'^panoptic_head\.pixel_decoder\.encoder\.layers\.\d+\.attentions\.',
        'a checkpoint of the reference code (MMDetection 2.x); convert it: '
        f'python {_CONVERTER} SRC DST',
    ),
    (
        r'^sem_seg_head\.(pixel_decoder|predictor)\._',
        'a (Video-)kMaX of the reference code or its COCO training '
        f'(Detectron2); convert it: python {_CONVERTER} SRC DST',
    ),
    (
        r'^sem_seg_head\.',
        'a Detectron2 checkpoint (Mask2Former, DVIS, '
        'Axial-VS), which this project does not read',
    ),
    (
        r'^(stem\.conv1|res\d|downsample_layers)\.',
        'a backbone alone; give it, '
        f'after python {_CONVERTER} SRC DST, to init_cfg of model.backbone',
    ),
)
_ORIGINS = (
    *_FOREIGN,
    (
        r'^(panoptic_head|track_head)\.pixel_decoder\.',
        'a Mask2Former of MMDetection 3.x, which initialises a training (set '
        'load_from in the config) and cannot be tested by itself',
    ),
)
# How PyTorch begins to say that a weight is of another shape.
_MISFIT = 'size mismatch for '
# What only the second stage trains.
_TRACKER_PARTS = ('head.tracker', 'head.tracker_heads')


def load_checkpoint_checked(
    model: nn.Module, path: str, map_location: str = 'cpu'
) -> dict:
    """Load a checkpoint that must fill every weight of the model.

    But for those of ``model.unused_parts``, the names of sub-modules that do
    nothing in a prediction (:class:`MaXTron` has a tracker of that kind in
    near-online modes). Keys that the model does not have are reported and
    ignored. Files are read by MMEngine, which takes PyTorch's safe mode
    (``weights_only``) first; with ``TORCH_FORCE_WEIGHTS_ONLY_LOAD=1`` in the
    environment, only that.

    Args:
        model (nn.Module): The model, also a distributed wrapper of it.
        path (str): A file, or a URL that MMEngine can read.
        map_location (str): Where to load the weights to.

    Returns:
        dict: The ``meta`` of the checkpoint: ``dataset_meta``, ``seed`` etc.
        Empty where it has none.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a checkpoint, or one of another model.
    """
    if is_model_wrapper(model):
        model = model.module
    checkpoint = _read(path, map_location)
    weights = _weights(checkpoint, path)
    missing, unexpected, misfits = _load(model, dict(weights))
    needless = _inside(getattr(model, 'unused_parts', ()), missing)
    missing = [key for key in missing if key not in needless]
    if (
        missing
        and not misfits
        and len(_inside(_TRACKER_PARTS, missing)) == len(missing)
    ):
        raise ValueError(
            f'{path} is near-online: it has no cross-clip tracker '
            f'({len(missing)} weights are missing, first: {missing[0]}). '
            'Train the second stage, with this file as load_from of the '
            "config, or predict near-online: model.head.test_cfg.mode='video' "
            '(the demo: --mode video).'
        )
    if missing or misfits:
        raise ValueError(
            _explain(model, path, weights, missing, unexpected, misfits)
        )
    if needless:
        print_log(
            f'{path} has no weights for {", ".join(model.unused_parts)}, '
            'which the prediction does without.',
            logger='current',
        )
    if unexpected:
        print_log(
            f'{len(unexpected)} weights of {path} were ignored, which '
            f'{type(model).__name__} does not have: '
            f'{", ".join(unexpected[:5])}'
            f'{", ..." if len(unexpected) > 5 else ""}',
            logger='current',
        )
    return checkpoint.get('meta') or {}


def check_initial_weights(
    model: nn.Module, checkpoint: dict, path: str
) -> dict[str, Tensor]:
    """Check that a training does not start from nearly nothing.

    A checkpoint to start from may lack new layers and be of other classes,
    which is logged. One of another code base fits by chance only, in its
    backbone. What is not trained must be there: ``model.frozen_parts``, the
    names of sub-modules, in which only weights that do learn may be of
    another shape.

    Args:
        model (nn.Module): The model, also a distributed wrapper of it; takes
            the weights that fit.
        checkpoint (dict): Content of the checkpoint.
        path (str): Where it is from, for the error message.

    Returns:
        dict[str, Tensor]: The weights by the names that they have in the
        model, with the copies that it made of some.

    Raises:
        ValueError: Less than half of the model's weights are in the
            checkpoint, or not all of those that are frozen, or it is one of
            another code base.
    """
    if is_model_wrapper(model):
        model = model.module
    weights = _weights(checkpoint, path)
    state = dict(weights)
    missing, unexpected, misfits = _load(model, state)
    too_few = 2 * (len(missing) + len(misfits)) > len(model.state_dict())
    if too_few or _origin(weights, _FOREIGN):
        raise ValueError(
            _explain(
                model, path, weights, missing, unexpected, misfits, _FOREIGN
            )
        )
    frozen = getattr(model, 'frozen_parts', ())
    learning = [n for n, p in model.named_parameters() if p.requires_grad]
    unfit = [
        _inside(frozen, missing),
        [m for m in _inside(frozen, misfits) if _misfit(m) not in learning],
    ]
    if any(unfit):
        raise ValueError(_explain_frozen(path, frozen, *unfit))
    new = _new_modules(model, missing, misfits)
    if new:
        print_log(
            f'{path} initialises all weights of {type(model).__name__} but '
            f'{len(missing)} that it lacks and {len(misfits)} that have '
            f'another shape in it. These start anew: {", ".join(new)}',
            logger='current',
        )
    return state


def _read(path: str, map_location: str) -> dict:
    """Read a checkpoint file into memory."""
    if '://' not in str(path) and not Path(path).expanduser().is_file():
        raise FileNotFoundError(f'Checkpoint not found: {path}')
    try:
        checkpoint = CheckpointLoader.load_checkpoint(
            str(path), map_location=map_location, logger='silent'
        )
    except (
        pickle.UnpicklingError,
        EOFError,
        RuntimeError,
        KeyError,
        ValueError,
    ) as error:
        raise ValueError(
            f'{path} cannot be read as a PyTorch checkpoint ({error}). Was it '
            'downloaded completely?'
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{path} holds a {type(checkpoint).__name__}; a checkpoint is a '
            'dict with a "state_dict".'
        )
    return checkpoint


def _weights(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """Take the weights out of a checkpoint, without wrappers' prefixes."""
    weights = checkpoint.get('state_dict', checkpoint.get('model', checkpoint))
    if isinstance(weights, Mapping):
        weights = {
            re.sub(r'^module\.', '', key): value
            for key, value in weights.items()
            if isinstance(value, Tensor)
        }
    if not weights:
        raise ValueError(
            f'{path} has no weights: expected a dict of tensors '
            'under "state_dict".'
        )
    return weights


def _load(
    model: nn.Module, weights: dict[str, Tensor]
) -> tuple[list[str], list[str], list[str]]:
    """Load what fits, and list what does not.

    Like ``nn.Module.load_state_dict``, which raises an error where a shape
    differs, and then does not return the keys that are missing or unexpected.

    Args:
        model (nn.Module): The model. Its modules may rename keys themselves.
        weights (dict[str, Tensor]): Weights by key; afterwards by the names
            that they have in the model, with what it made of them.

    Returns:
        tuple: Keys that are missing, keys that are unexpected, and PyTorch's
        sentences on weights of another shape.
    """
    missing, unexpected, misfits = [], [], []

    def visit(module: nn.Module, prefix: str) -> None:
        module._load_from_state_dict(
            weights, prefix, {}, True, missing, unexpected, misfits
        )
        for name, child in module.named_children():
            visit(child, f'{prefix}{name}.')

    visit(model, '')
    # Counters of batch normalisation, which old checkpoints do not have.
    missing = [key for key in missing if 'num_batches_tracked' not in key]
    return missing, unexpected, misfits


def _inside(parts: Sequence[str], keys: list[str]) -> list[str]:
    """Those keys, or sentences on keys, that are of one of the modules."""
    prefixes = tuple(f'{part}.' for part in parts)
    return [
        key
        for key in keys
        if key.strip().replace(_MISFIT, '', 1).startswith(prefixes)
    ]


def _misfit(sentence: str) -> str | None:
    """The key that a sentence on a weight of another shape is about."""
    match = re.search(rf'{_MISFIT}(\S+):', sentence)
    return match and match[1]


def _new_modules(
    model: nn.Module, missing: list[str], misfits: list[str]
) -> list[str]:
    """Name the largest modules of which no weight was loaded."""
    new = {*missing, *map(_misfit, misfits)}
    loaded = {
        '.'.join(key.split('.')[:depth])
        for key in model.state_dict().keys() - new
        if 'num_batches_tracked' not in key
        for depth in range(1, key.count('.') + 2)
    }
    names = {}
    for key in filter(new.__contains__, model.state_dict()):
        name, *rest = key.split('.')
        while name in loaded:
            name = f'{name}.{rest.pop(0)}'
        names[name] = None
    return list(names)


def _explain(
    model: nn.Module,
    path: str,
    weights: dict[str, Tensor],
    missing: list[str],
    unexpected: list[str],
    misfits: list[str],
    origins: Origins = _ORIGINS,
) -> str:
    """Say in how far a checkpoint does not fit, and what to do."""
    total = len(model.state_dict())
    lines = [
        f'{path} does not fit {type(model).__name__} as configured: '
        f'{total - len(missing) - len(misfits)} of {total} weights match.'
    ]
    for title, keys in (
        ('missing', missing),
        ('of another shape', misfits),
        ('unexpected', unexpected),
    ):
        if keys:
            lines.append(f'  {len(keys)} {title}, first: {keys[0].strip()}')
    origin = _origin(weights, origins)
    if origin is not None:
        lines.append(f'This looks like {origin}.')
    elif len(missing) + len(misfits) > total / 2:
        parts = sorted(set(key.split('.')[0] for key in weights))
        lines.append(
            'This looks like a checkpoint of another architecture, '
            f'with the parts {", ".join(parts)}.'
        )
    else:
        lines.append(
            'Was it trained with another config (backbone, number '
            'of classes or layers)?'
        )
    return '\n'.join(lines)


def _explain_frozen(
    path: str, frozen: Sequence[str], missing: list[str], misfits: list[str]
) -> str:
    """Say which weights a training with frozen parts would not have."""
    lines = [
        f'{path} does not fill {", ".join(frozen)}, which '
        'model.freeze_segmenter=True keeps as they are loaded:'
    ]
    for title, keys in (('missing', missing), ('of another shape', misfits)):
        if keys:
            lines.append(f'  {len(keys)} {title}, first: {keys[0].strip()}')
    lines.append(
        'Set load_from to a checkpoint of the first stage: of the near-online '
        'config of this backbone, this segmenter and these classes. Or train '
        'everything: model.freeze_segmenter=False.'
    )
    return '\n'.join(lines)


def _origin(weights: dict[str, Tensor], origins: Origins) -> str | None:
    """Say where weights are from, going by their keys."""
    for pattern, origin in origins:
        if any(re.match(pattern, key) for key in weights):
            return origin
    return None
