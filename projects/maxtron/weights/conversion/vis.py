# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the reference's VIS code: MMDetection 2.x."""

import re
from collections.abc import Iterable

from . import cross_clip
from .names import AFFINE, STATISTICS, Names, any_of, replace

# Patterns of all names of the reference. A part that ends in '.' is a module
# with the parameters weight and bias.
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
# These are applied in this order to the whole name.
_RENAMES = (
    *(
        (old.replace('^', rf'^{_HEAD}'), f'head.{new}')
        for old, new in cross_clip.RENAMES
    ),
    (r'^panoptic_head\.', 'head.segmenter.'),
    (
        r'(pixel_decoder\.encoder\.layers\.\d+\.)attentions\.0\.',
        r'\1self_attn.',
    ),
    (r'(transformer_decoder\.layers\.\d+\.)attentions\.0\.', r'\1cross_attn.'),
    (r'(transformer_decoder\.layers\.\d+\.)attentions\.1\.', r'\1self_attn.'),
    (r'(coder\.layers\.\d+\.)ffns\.0\.', r'\1ffn.'),
    (r'self_attn\.temporal_layer\.', 'self_attn.'),
    (r'level_3d_encodeing\.', 'level_3d_encoding.'),
)


def _explain(unknown: Iterable[str]) -> str:
    """Explain that names of MMDetection 3.x need no conversion."""
    if any('.self_attn.' in key or key.startswith('head.') for key in unknown):
        return (
            '\nThe names look like those of MMDetection 3.x: such a file '
            'needs no conversion, give it to load_from as it is.'
        )
    return ''


NAMES = Names(
    title='a VIS checkpoint of the reference (MMDetection 2.x names)',
    known=any_of(
        *(module + AFFINE for module in _MODULES),
        *(norm + STATISTICS for norm in _NORMS_WITH_STATISTICS),
        *_PARAMETERS,
        *(_HEAD + name for name in cross_clip.VIS),
    ),
    rename=lambda key: replace(_RENAMES, key),
    dropped=(
        (
            re.compile('ema_'),
            'moving average of the weights; the '
            'weights themselves are converted',
        ),
    ),
    explain=_explain,
)
