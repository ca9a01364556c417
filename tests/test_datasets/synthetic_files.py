# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Readers of the files of a synthetic set."""

import hashlib
import json


def digest(root):
    """Hash of every file under a folder, by relative path."""
    return {
        str(path.relative_to(root)): hashlib.md5(path.read_bytes()).digest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def load(path):
    return json.loads(path.read_text())
