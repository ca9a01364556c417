# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the reference's kMaX transformer decoder and its heads.

Names after 'sem_seg_head.predictor.' become names relative to the segmenter
('head.segmenter.'), because the auxiliary semantic branch is outside of the
transformer decoder here.
"""

import re

_SEMANTIC = {
    '_auxiliary_semantic_predictor': 'semantic_head',
    '_aspp_pool': 'pool_conv',
    '_proj_conv_bn_act': 'proj',
    '_aspp': 'aspp',
    '_low_level_projection_os8': 'low_level_projs.0',
    '_low_level_projection_os4': 'low_level_projs.1',
    '_low_level_fusion_os8_conv0_bn_act': 'fusions.0.0',
    '_low_level_fusion_os8_conv1_bn_act': 'fusions.0.1',
    '_low_level_fusion_os4_conv0_bn_act': 'fusions.1.0',
    '_low_level_fusion_os4_conv1_bn_act': 'fusions.1.1',
    'conv_block_0': 'convs.0',
    'conv_block_1': 'convs.1',
    'final_conv': 'conv_seg',
}
_LAYER = {
    '_pixel_conv1_bn_act': 'pixel_conv',
    '_query_conv1_bn_act': 'query_conv',
    '_pixel_v_conv_bn': 'kmeans.value',
    '_kmeans_query_batch_norm_retrieved_value': 'kmeans.norm',
    '_kmeans_query_conv3_bn': 'kmeans.proj',
    '_query_qkv_conv_bn': 'self_attn.qkv',
    '_query_self_attention._batch_norm_similarity': 'self_attn.logits_norm',
    '_query_self_attention._batch_norm_retrieved_value': 'self_attn.norm',
    '_query_conv3_bn': 'self_attn.proj',
    '_query_ffn_conv1_bn_act': 'ffn.0',
    '_query_ffn_conv2_bn': 'ffn.1',
}
_PREDICTOR = {
    '_predictor': 'predictor',
    '_predcitor': 'predictor',  # spelling of the image model
    '_pixel_space_head_conv0bnact': 'pixel_convs.0',
    '_pixel_space_head_conv1bnact': 'pixel_convs.1',
    '_pixel_space_head_last_convbn': 'pixel_convs.2',
    '_pixel_space_mask_batch_norm': 'mask_norm',
    '_transformer_mask_head': 'mask_embed',
    '_transformer_class_head': 'cls_embed',
}
_DECODER = {
    '_kmax_transformer_layers': 'layers',
    '_cluster_centers': 'cluster_centers',
    '_class_embedding_projection': 'cls_proj',
    '_mask_embedding_projection': 'mask_proj',
}

RENAMES = (
    (r'\.norm\.', '.bn.'),
    (r'^(?!_auxiliary_semantic_predictor\.)', 'transformer_decoder.'),
    (r'\b_aspp_conv(\d)\.', r'convs.\1.'),
    *(
        (rf'(^|(?<=\.)){re.escape(old)}\.', new + '.')
        for part in (_SEMANTIC, _LAYER, _PREDICTOR, _DECODER)
        for old, new in part.items()
    ),
)
