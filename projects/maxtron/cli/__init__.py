# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sub-commands of the console command, see ``projects/maxtron_cli.py``."""

from projects.maxtron_cli import main

__all__ = ['main']
