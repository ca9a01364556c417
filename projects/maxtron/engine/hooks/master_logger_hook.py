# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Logger whose results of a test are written by one process only."""

from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner


@HOOKS.register_module()
class MasterLoggerHook(LoggerHook):
    """LoggerHook for distributed tests.

    All processes of MMEngine's hook write the results of a test to the same
    JSON file. If they do so at the same time, the file is damaged.
    """

    @master_only
    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Log the results of a test, and write them as JSON.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float], optional): Results of all metrics.
        """
        super().after_test_epoch(runner, metrics)
