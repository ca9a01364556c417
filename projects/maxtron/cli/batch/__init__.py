# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``maxtron batch``: many videos, on one machine or on a Ray cluster.

The results of a video are a folder, ``OUT/NAME``, with their record
(:class:`~.records.Record`) in it. The folder is made beside and renamed when
it is complete. A run that was ended at any point therefore leaves whole
results only, and the next run makes the rest.
"""

from .command import add_parser, run

__all__ = ['add_parser', 'run']
