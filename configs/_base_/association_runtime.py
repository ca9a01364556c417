# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './default_runtime.py'

# metrics are logged with the iteration that they belong to
default_hooks = dict(logger=dict(log_metric_by_epoch=False))
