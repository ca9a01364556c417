# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Samples of clips and videos."""

from collections.abc import Sequence

from mmdet.structures import DetDataSample, TrackDataSample


def make_track_sample(
    frames: Sequence[DetDataSample], metainfo: dict | None = None
) -> TrackDataSample:
    """Join the samples of frames to the sample of a clip or video.

    MMDetection's setter formats the first sample for the message of an error
    that hardly ever occurs. If the sample has tensors, this prints all of
    them, which is slow, and on a GPU it waits for each number.

    Args:
        frames (Sequence[DetDataSample]): Samples in order, at least one.
        metainfo (dict, optional): Metainfo of the clip. Defaults to None.

    Returns:
        TrackDataSample: The clip.
    """
    sample = TrackDataSample(metainfo=metainfo)
    sample.video_data_samples = [DetDataSample()]
    sample.video_data_samples[:] = frames
    return sample
