# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hook that keeps the statistics of each tested video."""

import os.path as osp

from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...utils import dump_json, make_parent

FILE_NAME = 'vis_data/video_stats.json'  # in the folder of a run


@HOOKS.register_module()
class VideoStatsHook(Hook):
    """Writes the statistics of each video to the folder of a test.

    ``compare_runs.py --bootstrap`` reads them. The file
    ``vis_data/video_stats.json`` has one entry for each metric that has
    ``video_stats``.
    """

    @master_only
    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Write the statistics.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float], optional): Results of all metrics.
        """
        stats = [
            metric.video_stats
            for metric in runner.test_evaluator.metrics
            if getattr(metric, 'video_stats', None)
        ]
        if stats:
            path = osp.join(runner.log_dir, FILE_NAME)
            make_parent(path)
            dump_json(stats, path)
