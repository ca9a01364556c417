# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Open a web page that runs models on uploaded videos: ``maxtron serve``."""

import argparse

from projects.maxtron.cli import serve
from projects.maxtron.engine.cli import report_errors


@report_errors()
def main() -> None:
    parser = argparse.ArgumentParser(description=serve.DESCRIPTION)
    serve.add_arguments(parser)
    serve.run(parser.parse_args())


if __name__ == '__main__':
    main()
