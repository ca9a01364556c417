# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of MMDetection 3.x's Mask2Former, for images and for YouTube-VIS."""

import re

from .names import AFFINE, Names, any_of

_HEAD = r'(panoptic|track)_head\.'
_ENCODER = r'pixel_decoder\.encoder\.layers\.\d+\.'
_DECODER = r'transformer_decoder\.layers\.\d+\.'
_FFN = r'ffn\.layers\.(0\.0|1)\.'
# Beginning of keys by which a checkpoint is recognised.
MARK = rf'{_HEAD}({_ENCODER}|{_DECODER})self_attn\.'
# A part that ends in '.' is a module with the parameters weight and bias.
_MODULES = (
    r'pixel_decoder\.(input|lateral|output)_convs\.\d\.(conv|gn)\.',
    r'pixel_decoder\.mask_feature\.',
    _ENCODER + r'self_attn\.(sampling_offsets|attention_weights'
    r'|value_proj|output_proj)\.',
    _ENCODER + r'norms\.\d\.',
    _ENCODER + _FFN,
    _DECODER + r'(cross|self)_attn\.attn\.out_proj\.',
    _DECODER + r'norms\.\d\.',
    _DECODER + _FFN,
    r'transformer_decoder\.post_norm\.',
    r'(cls_embed|mask_embed\.\d)\.',
)
_PARAMETERS = (
    r'(query_embed|query_feat|level_embed)\.weight',
    r'pixel_decoder\.level_encoding\.weight',
    _DECODER + r'(cross|self)_attn\.attn\.in_proj_(weight|bias)',
    # Models of MMDetection that this project extends have these, too.
    r'pixel_decoder\.level_3d_encoding\.weight',
    _ENCODER + r'self_attn\.gamma',
)

NAMES = Names(
    title='a Mask2Former of MMDetection 3.x',
    known=any_of(
        r'backbone\..+',  # any backbone of MMDetection, by the same names
        *(_HEAD + module + AFFINE for module in _MODULES),
        *(_HEAD + parameter for parameter in _PARAMETERS),
    ),
    rename=lambda key: re.sub(f'^{_HEAD}', 'head.segmenter.', key),
)
