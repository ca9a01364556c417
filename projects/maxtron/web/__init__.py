# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Web pages: a model on uploaded films, and a review of results.

Only :mod:`.pages` and :mod:`.panel` import Gradio.
"""

from .jobs import Limits, Models, open_upload, run_job
from .results import open_review
from .review import Review
from .server import run_server
from .tracks import Track

__all__ = [
    'Limits',
    'Models',
    'Review',
    'Track',
    'open_review',
    'open_upload',
    'run_job',
    'run_server',
]
