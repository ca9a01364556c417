# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './default_runtime.py'

# of images, where --show-dir draws what MMDetection's segmenters predict
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
visualizer = dict(type='DetLocalVisualizer')
