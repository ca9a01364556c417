# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of backbones: Detectron2's ResNet and the original ConvNeXt.

The names are relative to the backbone. They occur in the reference's VPS code
and in its initial ImageNet weights.
"""

import re

from .names import AFFINE, STATISTICS, WEIGHT, Names, any_of, replace

_CONV = r'(stem\.conv1|res[2-5]\.\d+\.(conv[123]|shortcut))\.'
_BLOCK = r'stages\.\d\.\d+\.'
KNOWN = (
    _CONV + WEIGHT,
    _CONV + r'norm\.' + STATISTICS,
    r'downsample_layers\.\d\.[01]\.' + AFFINE,
    _BLOCK + r'(dwconv|norm|pwconv[12])\.' + AFFINE,
    _BLOCK + r'gamma',
    _BLOCK + r'grn\.(gamma|beta)',
)
_STAGES = tuple((rf'^res{i + 1}\.', f'layer{i}.') for i in range(1, 5))
RENAMES = (
    (r'^stem\.', ''),
    *_STAGES,
    (r'\bconv(\d)\.norm\.', r'bn\1.'),
    (r'\bshortcut\.norm\.', 'downsample.1.'),
    (r'\bshortcut\.', 'downsample.0.'),
    (r'\bdwconv\.', 'depthwise_conv.'),
    (r'\bpwconv(\d)\.', r'pointwise_conv\1.'),
)

NAMES = Names(
    title='a ResNet of Detectron2 or an original ConvNeXt',
    known=any_of(*KNOWN),
    rename=lambda key: replace(RENAMES, key),
    dropped=(
        (
            re.compile(r'(norm|head|stem\.fc)\.'),
            'part of the classification head, not of the backbone',
        ),
    ),
)
