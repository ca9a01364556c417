# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A package, for that of an installed one would come before a folder."""
