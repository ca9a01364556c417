# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
default_scope = 'mmdet'
custom_imports = dict(imports=['projects.maxtron'], allow_failed_imports=False)

default_hooks = dict(
    # metrics are logged with the iteration that they belong to
    logger=dict(
        type='MasterLoggerHook', interval=50, log_metric_by_epoch=False
    ),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=1000, max_keep_ckpts=3
    ),
    visualization=dict(type='ClipVisualizationHook'),
    video_stats=dict(type='VideoStatsHook'),
)
custom_hooks = [
    dict(type='RNGStateHook'),
    dict(type='BroadcastBuffersHook'),
    dict(type='InitialWeightsHook'),
    dict(type='NumClassCheckHook'),
    dict(type='ThingLabelsHook'),
]
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
log_level = 'INFO'

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(
    type='ClipLocalVisualizer', vis_backends=vis_backends, name='visualizer'
)

# Settings of GPUs; the second one is for training, on cards that have TF32.
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
allow_tf32 = True
resume = False
