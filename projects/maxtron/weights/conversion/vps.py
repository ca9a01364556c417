# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the reference's VPS code (Video-kMaX and kMaX, Detectron2)."""

import re
from collections.abc import Iterable
from dataclasses import replace as with_changes

from . import (
    backbones,
    cross_clip,
    kmax_decoder,
    kmax_pixel_decoder,
    within_clip,
)
from .names import AFFINE, STATISTICS, Names, any_of, conv_bn, replace

_TRACKER = 'cross_clip_tracking_module.'

# Each module of the reference, its renames, and its name in this project.
_MODULES = (
    ('backbone.', backbones.RENAMES, 'backbone.'),
    (
        'sem_seg_head.wc_module.',
        ((r'^within_clip_tracking_module\.', ''), *within_clip.RENAMES),
        'neck.',
    ),
    (
        'sem_seg_head.pixel_decoder.',
        kmax_pixel_decoder.RENAMES,
        'head.segmenter.pixel_decoder.',
    ),
    ('sem_seg_head.predictor.', kmax_decoder.RENAMES, 'head.segmenter.'),
)


def rename(key: str) -> str:
    """Translate a name, or the beginning of one up to a dot."""
    if key.startswith(_TRACKER):
        rest = key[len(_TRACKER) :]
        return 'head.' + (cross_clip.rename(rest) if rest else '')
    for reference, renames, ours in _MODULES:
        if key == reference:
            return ours
        if key.startswith(reference):
            return ours + replace(renames, key[len(reference) :])
    return key


_NECK = r'sem_seg_head\.wc_module\.within_clip_tracking_module\.'
_ENCODER = _NECK + r'transformer\.encoder\.'
_SPATIAL = _ENCODER + r'spatial_layers\.\d+\.'
_TEMPORAL = _ENCODER + r'temporal_layers\.\d+\.temporal_layers\.\d+\.'
_PIXEL = r'sem_seg_head\.pixel_decoder\.'
_BLOCK = _PIXEL + r'_stages\.\d\._blocks\.\d+\.'
_AXIS = _BLOCK + r'_attention\._(height|width)_axis\.'
_DECODER = r'sem_seg_head\.predictor\.'
_LAYER = _DECODER + r'_kmax_transformer_layers\.\d+\.'
# The second spelling is that of the published COCO code.
_HEAD = rf'({_LAYER}|{_DECODER})(_predictor|_predcitor)\.'
_SEMANTIC = _DECODER + r'_auxiliary_semantic_predictor\.'
_KNOWN = (
    *(r'backbone\.' + name for name in backbones.KNOWN),
    _NECK + r'(in|out)put_proj\.\d\.[01]\.' + AFFINE,
    _NECK + r'transformer\.level_embed_[23]d',
    _SPATIAL + r'self_attn\.(sampling_offsets|attention_weights|value_proj'
    r'|output_proj)\.' + AFFINE,
    f'({_SPATIAL}|{_TEMPORAL})' + r'(norm[12]|linear[12])\.' + AFFINE,
    _TEMPORAL
    + r'(height|width|temporal)_attn\.(q|k|v|proj_q|proj_kv|proj)\.'
    + AFFINE,
    _PIXEL + r'_in_norms\.\d\.' + AFFINE,
    *conv_bn(_BLOCK + '(_conv1_bn_act|_conv2_bn_act|_conv3_bn|_shortcut)'),
    _AXIS + r'qkv_transform\.conv\.weight',
    _AXIS + r'_(query|key|value)_rpe\._embeddings\.weight',
    _AXIS + r'_batch_norm_(qkv|similarity|retrieved_output)\.' + STATISTICS,
    *conv_bn(_PIXEL + r'_resized_fuses\.\d\._conv_bn_(low|high)'),
    _DECODER + r'_cluster_centers\.weight',
    *conv_bn(
        _LAYER + '(_(query|pixel)_conv1_bn_act|_query_qkv_conv_bn'
        '|_pixel_v_conv_bn|(_kmeans)?_query_conv3_bn'
        '|_query_ffn_conv1_bn_act|_query_ffn_conv2_bn)'
    ),
    _LAYER + r'_query_self_attention\._batch_norm_(similarity'
    r'|retrieved_value)\.' + STATISTICS,
    _LAYER + r'_kmeans_query_batch_norm_retrieved_value\.' + STATISTICS,
    *conv_bn(_DECODER + '_(class|mask)_embedding_projection'),
    *conv_bn(
        _HEAD + '(_pixel_space_head_conv[01]bnact|_transformer_mask_head)'
    ),
    *conv_bn(_HEAD + '_pixel_space_head_last_convbn', AFFINE),
    _HEAD + r'_transformer_class_head\.conv\.' + AFFINE,
    _HEAD + r'_pixel_space_mask_batch_norm\.' + STATISTICS,
    *conv_bn(
        _SEMANTIC + r'_aspp\.(_aspp_conv\d|_aspp_pool'
        '|_proj_conv_bn_act)'
    ),
    *conv_bn(
        _SEMANTIC + r'(_low_level_projection_os\d'
        r'|_low_level_fusion_os\d_conv\d_bn_act|conv_block_\d)'
    ),
    _SEMANTIC + r'final_conv\.conv\.' + AFFINE,
    *(re.escape(_TRACKER) + name for name in cross_clip.VPS),
)


def _explain(unknown: Iterable[str]) -> str:
    """Explain that other models of Detectron2 cannot be converted."""
    if any(
        key.startswith(
            (
                'sem_seg_head.predictor.transformer_',
                'sem_seg_head.pixel_decoder.transformer.',
            )
        )
        for key in unknown
    ):
        return (
            '\nThe names look like those of a Mask2Former of Detectron2, '
            "which is not read; MMDetection's Mask2Former is."
        )
    return ''


NAMES = Names(
    title='a VPS or COCO panoptic checkpoint of the reference '
    '((Video-)kMaX, Detectron2)',
    known=any_of(*_KNOWN),
    rename=rename,
    explain=_explain,
)
OFFLINE_NAMES = with_changes(
    NAMES,
    dropped=(
        (
            re.compile(_SEMANTIC),
            'auxiliary semantic branch of the near-online model, which the '
            'offline one does not train',
        ),
    ),
)
