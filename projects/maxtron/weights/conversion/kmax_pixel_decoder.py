# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the reference's kMaX pixel decoder, relative to it."""

RENAMES = (
    (r'^_in_norms\.', 'in_norms.'),
    (r'^_stages\.(\d+)\._blocks\.', r'stages.\1.'),
    (r'^_resized_fuses\.', 'fuses.'),
    (r'\._conv_bn_(low|high)\.', r'.\1.1.'),
    (r'\._conv1_bn_act\.', '.proj_in.'),
    (r'\._conv2_bn_act\.', '.mix.'),
    (r'\._conv3_bn\.', '.proj_out.'),
    (r'\._shortcut\.', '.shortcut.'),
    (r'\._attention\._(height|width)_axis\.', r'.mix.0.\1_axis.'),
    (r'\.qkv_transform\.', '.qkv.'),
    (r'\._(query|key|value)_rpe\._embeddings\.', r'.\1_rpe.'),
    (r'\._batch_norm_qkv\.', '.qkv.bn.'),
    (r'\._batch_norm_similarity\.', '.similarity_norm.'),
    (r'\._batch_norm_retrieved_output\.', '.output_norm.'),
    (r'\.norm\.', '.bn.'),
)
