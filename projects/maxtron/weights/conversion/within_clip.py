# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the reference's within-clip tracking module, relative to it."""

RENAMES = (
    (r'^transformer\.', ''),
    (r'^level_embed_2d$', 'level_encoding.weight'),
    (r'^level_embed_3d$', 'level_3d_encoding.weight'),
    (r'^(in|out)put_proj\.(\d)\.0\.', r'\1put_projs.\2.conv.'),
    (r'^(in|out)put_proj\.(\d)\.1\.', r'\1put_projs.\2.gn.'),
    (r'^input_projs', 'input_convs'),
    (r'^encoder\.(spatial|temporal)_layers', 'encoder.layers'),
    (r'^(encoder\.layers\.\d\.)norm1', r'\1norms.0'),
    (r'^(encoder\.layers\.\d\.)norm2', r'\1norms.1'),
    (r'^(encoder\.layers\.\d\.)linear1', r'\1ffn.layers.0.0'),
    (r'^(encoder\.layers\.\d\.)linear2', r'\1ffn.layers.1'),
)
