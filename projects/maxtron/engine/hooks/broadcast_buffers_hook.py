# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hook that makes all processes validate the same model."""

from mmdet.registry import HOOKS
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class BroadcastBuffersHook(Hook):
    """Broadcast the buffers of the first process before a validation.

    Processes exchange gradients, but the running statistics of batch norms
    that are not synchronised (``sync_bn``) differ from process to process. A
    checkpoint has the statistics of the first process, so a validation must
    use these.
    """

    def before_val(self, runner: Runner) -> None:
        """Broadcast the buffers.

        Args:
            runner (Runner): The runner.
        """
        for buffer in runner.model.buffers():
            broadcast(buffer)
