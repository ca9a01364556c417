# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The statistics of tested videos are kept beside the results of a test."""

import json
from types import SimpleNamespace

from projects.maxtron.engine import VideoStatsHook


def test_stats_of_all_metrics_are_written(tmp_path):
    metrics = [
        SimpleNamespace(video_stats=dict(metric='A', videos={'1': [2]})),
        SimpleNamespace(video_stats=None),
        SimpleNamespace(),  # a metric of MMDetection
    ]
    runner = SimpleNamespace(
        test_evaluator=SimpleNamespace(metrics=metrics), log_dir=str(tmp_path)
    )
    VideoStatsHook().after_test_epoch(runner, {})
    path = tmp_path / 'vis_data/video_stats.json'
    assert json.loads(path.read_text()) == [metrics[0].video_stats]
    path.unlink()
    metrics[0].video_stats = None
    VideoStatsHook().after_test_epoch(runner, {})
    assert not path.exists()
