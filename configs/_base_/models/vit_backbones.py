# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Vision transformers of transformers (pip install -r
# requirements/transformers.txt), which a training loads from the Hugging Face
# hub. Nobody has trained MaXTron on them. They are frozen, which LVMT finds as
# good as fine-tuning; model.backbone.frozen=False fine-tunes them, with the
# layer_decay of ../schedules/adamw_vit.py. The pyramid is always trained.
pyramid = dict(
    type='SimpleFeaturePyramid', out_channels=256, spatial_prior=True
)
dinov2_b = dict(
    type='TransformersBackbone',
    config=dict(
        model_type='dinov2',
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        image_size=518,
        patch_size=14,
    ),
    weights='facebook/dinov2-base',
    pyramid=pyramid,
    frozen=True,
)
dinov2_l = dict(
    type='TransformersBackbone',
    config=dict(
        model_type='dinov2',
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=518,
        patch_size=14,
    ),
    weights='facebook/dinov2-large',
    pyramid=pyramid,
    frozen=True,
)
# Meta asks for consent to its licence before the first download.
dinov3_l = dict(
    type='TransformersBackbone',
    config=dict(
        model_type='dinov3_vit',
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        num_register_tokens=4,
        image_size=224,
        patch_size=16,
    ),
    weights='facebook/dinov3-vitl16-pretrain-lvd1689m',
    pyramid=pyramid,
    frozen=True,
)
