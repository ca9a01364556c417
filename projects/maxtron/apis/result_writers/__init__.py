# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writers of the results of a video, frame by frame in constant memory.

A writer is a context manager. At the end of the block, also after Ctrl-C, its
file gets its final name and replaces an older file. If an error ends the
block, the frames before the error are kept in a file with ``.part`` in its
name.
"""

from .id_maps import IdMapWriter
from .panoptic import PanopticWriter
from .video import VIDEO_SUFFIXES, VideoWriter, check_video_path
from .youtube_vis import YouTubeVISWriter

__all__ = [
    'VIDEO_SUFFIXES',
    'IdMapWriter',
    'PanopticWriter',
    'VideoWriter',
    'YouTubeVISWriter',
    'check_video_path',
]
