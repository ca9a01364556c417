# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Download released weights into the cache, or list them.

    python tools/misc/download_weights.py NAME_OR_URL ...
    python tools/misc/download_weights.py --list [--task TASK]

"maxtron download" and "maxtron models" do the same. All tools download the
weights that they are given by name. This one is for machines without
internet: run it on another one, and copy the cache folder, or offer the folder
by an HTTP server and set MAXTRON_MIRROR to its address. The folder is
$MAXTRON_HOME, by default ~/.cache/torch/hub/maxtron.

The exit status is 1 if a download failed; the others are still made.
"""

import argparse
import sys

from projects.maxtron.cli import download, models
from projects.maxtron.engine.cli import report_errors


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    download.add_names(parser, '*')
    parser.add_argument(
        '--list', action='store_true', help='print the known names'
    )
    models.add_task(parser)
    args = parser.parse_args()
    if not args.names and not args.list:
        parser.error('name the weights to download, or use --list')
    return args


if __name__ == '__main__':
    with report_errors():
        args = parse_args()
        sys.exit(models.run(args) if args.list else download.run(args))
