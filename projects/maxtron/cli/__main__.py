# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``python -m projects.maxtron.cli`` is the command ``maxtron``."""

import sys

from . import main

sys.exit(main())
