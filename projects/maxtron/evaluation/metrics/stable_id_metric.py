# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Stability of ids as a metric of the runner."""

import numpy as np
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ...errors import InputError
from ..functional import (
    CROSSING,
    EVENT_KINDS,
    RETURN,
    IdEvent,
    IdStats,
    VideoCounts,
    count_stable_ids,
    find_gaps,
    gap_kind,
    summarize_stable_ids,
)
from ..reports import as_floats, stable_id_report
from .panoptic_video_metric import PanopticVideoMetric

_KINDS = dict(crossing=CROSSING, outside=RETURN)


@METRICS.register_module()
class StableIdMetric(PanopticVideoMetric):
    """Share of things that keep their id, in all and through events.

    Reports, in percent, 'ids_kept', and 'ids_kept_{event}' for crossings of
    twins, gaps of 1 to 2, 3 to 6 and 7 or more clips, and things that leave
    the frame and return; 'id_switches' is a number. See
    :func:`count_stable_ids`. A value is nan if there is no such event.

    Args:
        clip_len (int): Frames of a clip, the unit of gaps. Defaults to 2.
        scenarios (str, optional): File ``scenarios_{split}.json`` of the
            synthetic benchmark. Without it, there are only gaps, from the
            ground truth, and no crossings and returns. Defaults to None.
        **kwargs: See :class:`PanopticVideoMetric`.

    Raises:
        InputError: If ``clip_len`` is below 1.
    """

    def __init__(
        self, clip_len: int = 2, scenarios: str | None = None, **kwargs
    ) -> None:
        if clip_len < 1:
            raise InputError(
                f'clip_len of StableIdMetric is {clip_len}; it is the number '
                'of frames of a clip, 1 or more.'
            )
        super().__init__(**kwargs)
        self.clip_len = clip_len
        self.scenarios = scenarios

    def measure(self, video: VideoCounts) -> IdStats:
        """Count the stable ids of a video.

        Args:
            video (VideoCounts): Counts of the video.

        Returns:
            IdStats: Stats of the video.
        """
        if self.scenarios is None:
            events = find_gaps(video, self.is_thing, self.clip_len)
        else:
            events = self._read_events(video, self.scenarios)
        return count_stable_ids(video, self.is_thing, events)

    def _read_events(
        self, video: VideoCounts, scenarios: str
    ) -> list[IdEvent]:
        """Read the events of a video of the synthetic benchmark."""
        # Not loaded with the metric: others do not need the benchmark.
        from ...datasets.synthetic.events import list_events

        labels = np.unique(video.gt.labels).tolist()
        stuff = [label for label in labels if not self.is_thing[label]]
        events = []
        for event in list_events(scenarios, video.name, stuff):
            kind = _KINDS.get(event.cause) or gap_kind(
                event.stop - event.start, self.clip_len
            )
            start, stop = (
                int(np.searchsorted(video.times, time))
                for time in (event.start, event.stop)
            )
            events.append(IdEvent(event.id, kind, start, stop))
        return events

    def report(self, stats: list[IdStats]) -> dict[str, float]:
        """Summarize and log.

        Args:
            stats (list[IdStats]): Stats of each video.

        Returns:
            dict[str, float]: Values by name.
        """
        summary = summarize_stable_ids(stats)
        MMLogger.get_current_instance().info(
            f'Stable ids of {len(stats)} videos\n{stable_id_report(summary)}'
        )
        values = dict(ids_kept=summary['kept'])
        for kind in EVENT_KINDS:
            values[f'ids_kept_{kind.replace(" ", "_")}'] = summary[kind]
        values['id_switches'] = summary['switches']
        return as_floats(values)
