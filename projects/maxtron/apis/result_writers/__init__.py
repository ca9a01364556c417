# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Results of a video, written frame by frame in constant memory.

A writer is a context manager. Its file gets its name when the block is left,
also by Ctrl-C, and a file of that name stays until then. If an error ends the
block, the frames before it stay in a file with ``.part`` in its name.
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
