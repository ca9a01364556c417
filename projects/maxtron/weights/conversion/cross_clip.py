# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the reference's cross-clip tracking module.

Both code bases have the same tracker. In the VIS code it is a part of the
head. In the VPS code it is a module with its own heads. In both cases the
names become relative to 'head.'.
"""

from . import kmax_decoder
from .names import AFFINE, STATISTICS, conv_bn, replace

_ATTENTION = r'transformer_trajectory_self_attention_layers\.'
_ASPP = r'conv_short_aggregate_layers\.'
TRACKER = (
    _ATTENTION + r'\d+\.self_attn\.(qkv|proj_q|proj_kv|proj)\.' + AFFINE,
    _ATTENTION + r'\d+\.norm\.' + AFFINE,
    _ASPP + r'\d+\._aspp_conv\d+\.' + AFFINE,
    *conv_bn(_ASPP + r'\d+\._proj_conv_bn_act', norm=AFFINE),
    r'conv_norms\.\d+\.' + AFFINE,
)
VIS = (*TRACKER, r'activation_proj\.' + AFFINE)
VPS = (
    *TRACKER,
    r'_predictor\._transformer_class_activation_head\.conv\.' + AFFINE,
    *conv_bn('_(class|mask)_embedding_projection'),
    *conv_bn(r'_predictor\._transformer_mask_head'),
    r'_predictor\._transformer_class_head\.conv\.' + AFFINE,
    r'_predictor\._pixel_space_mask_batch_norm\.' + STATISTICS,
)

_LAYER = r'tracker.layers.\1.'
RENAMES = (
    (rf'^{_ATTENTION}(\d+)\.self_attn\.', f'{_LAYER}attn.'),
    (rf'^{_ATTENTION}(\d+)\.norm\.', f'{_LAYER}norm1.'),
    (rf'^{_ASPP}(\d+)\._aspp_conv(\d+)\.', rf'{_LAYER}aspp.convs.\2.'),
    (rf'^{_ASPP}(\d+)\._proj_conv_bn_act\.conv\.', f'{_LAYER}aspp.proj.'),
    (rf'^{_ASPP}(\d+)\._proj_conv_bn_act\.norm\.', f'{_LAYER}aspp.norm.'),
    (r'^conv_norms\.(\d+)\.', f'{_LAYER}norm2.'),
    (
        r'^(activation_proj|_predictor\._transformer_class_activation_head'
        r'\.conv)\.',
        'tracker.cls_weight.',
    ),
)


def rename(key: str) -> str:
    """Translate a name of the VPS module to one relative to 'head.'."""
    new = replace(RENAMES, key)
    if new != key:
        return new
    # The heads are copies of the decoder's heads, with the same names.
    return replace(kmax_decoder.RENAMES, key).replace(
        'transformer_decoder.', 'tracker_heads.', 1
    )
