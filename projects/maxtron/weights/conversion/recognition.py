# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Recognition of the code base of a checkpoint by its keys."""

import re
from collections.abc import Iterable
from re import Pattern

from . import backbones, mask2former, vis, vps
from .names import Names

_CONVERTER = 'tools/model_converters/reference_to_maxtron.py'
# Code bases by name, with a description for messages.
TITLES = {
    'maxtron': 'a checkpoint of this project',
    'axial-vs-tube-link': "a VIS checkpoint of the authors' code or a "
    'Mask2Former of MMDetection 2.x',
    'axial-vs-video-kmax': "a checkpoint of the authors' Video-kMaX code",
    'kmax-deeplab': 'a kMaX-DeepLab, an image model of Detectron2',
    'mmdet': 'a Mask2Former of MMDetection 3.x',
    'detectron2': 'a ResNet of Detectron2, a backbone alone',
    'convnext': 'an original ConvNeXt, a backbone alone',
    'mmpretrain': 'a ConvNeXt of MMPretrain, a classifier',
}
_BACKBONE_USE = 'name it in init_cfg of model.backbone'
_USES = {
    'mmdet': 'predict with a config of configs/mask2former; as load_from it '
    'initialises a training',
    'detectron2': _BACKBONE_USE,
    'convnext': _BACKBONE_USE,
    'mmpretrain': f"{_BACKBONE_USE}, with prefix='backbone.'",
}
# Keys of other checkpoints, with a description and the use.
_OTHERS = (
    (
        re.compile(r'sem_seg_head\.'),
        'a Detectron2 checkpoint of another project (Mask2Former, DVIS), '
        'which cannot be converted',
    ),
    (
        re.compile(r'(stem\.conv1|res\d|downsample_layers)\.'),
        f'a backbone alone; {_BACKBONE_USE}',
    ),
)
# The first pattern that any key begins with identifies the code base.
_MARKS: tuple[tuple[str, Pattern], ...] = tuple(
    (code_base, re.compile(pattern))
    for code_base, pattern in (
        ('maxtron', r'head\.(segmenter|tracker|tracker_heads)\.'),
        (
            'axial-vs-tube-link',
            r'panoptic_head\.(pixel_decoder\.encoder|transformer_decoder)'
            r'\.layers\.\d+\.attentions\.',
        ),
        ('mmdet', mask2former.MARK),
        (
            'axial-vs-video-kmax',
            r'cross_clip_tracking_module\.|sem_seg_head\.wc_module\.',
        ),
        ('kmax-deeplab', r'sem_seg_head\.(pixel_decoder|predictor)\._'),
        ('detectron2', r'(stem\.conv1|res[2-5]\.\d+\.(conv\d|shortcut))\.'),
        ('convnext', r'stages\.\d\.\d+\.(dwconv|pwconv\d)\.'),
        ('mmpretrain', r'backbone\.stages\.\d\.\d+\.depthwise_conv\.'),
    )
)
# Code bases with rules for their names.
CONVERTED = {
    'mmdet',
    'axial-vs-tube-link',
    'axial-vs-video-kmax',
    'kmax-deeplab',
    'detectron2',
    'convnext',
}
# Code bases with the names of MMDetection's models.
MMDET_NAMES = ('axial-vs-tube-link', 'mmdet')
# Code bases with weights of a backbone alone.
BACKBONES = ('detectron2', 'convnext')


def recognise(keys: Iterable[str]) -> str | None:
    """Recognise the code base of a checkpoint by its keys.

    Args:
        keys (Iterable[str]): Keys of the weights, or the weights by key.

    Returns:
        str | None: A key of ``TITLES``; None for unknown keys.
    """
    keys = tuple(keys)
    for code_base, mark in _MARKS:
        if any(mark.match(key) for key in keys):
            return code_base
    return None


def describe(keys: Iterable[str]) -> str | None:
    """Describe the code base of a checkpoint and the use of the file.

    Args:
        keys (Iterable[str]): Keys of the file, before any conversion.

    Returns:
        str | None: A description for messages; None for unknown keys and for
        checkpoints of this project.
    """
    keys = tuple(keys)
    code_base = recognise(keys)
    if code_base == 'maxtron':
        return None
    if code_base is None:
        for mark, description in _OTHERS:
            if any(mark.match(key) for key in keys):
                return description
        return None
    use = _USES.get(code_base, f'converted by the rules of {_CONVERTER}')
    return f'{TITLES[code_base]}; {use}'


# The first pattern that a key begins with identifies the rules.
_RULES = (
    (re.compile(r'cross_clip_tracking_module\.'), vps.OFFLINE_NAMES),
    (
        re.compile(
            r'sem_seg_head\.|backbone\.(stem|res\d|downsample_layers)\.'
        ),
        vps.NAMES,
    ),
    (re.compile(r'(stem|res\d|downsample_layers)\.'), backbones.NAMES),
)


def names_of(keys: Iterable[str]) -> Names:
    """Choose the rules for the names of a checkpoint.

    Args:
        keys (Iterable[str]): Keys of the weights of a model or of a module.

    Returns:
        Names: The rules; those of the VIS code for unknown keys.
    """
    keys = tuple(keys)
    if recognise(keys) == 'mmdet':
        return mask2former.NAMES
    for mark, names in _RULES:
        if any(mark.match(key) for key in keys):
            return names
    return vis.NAMES
