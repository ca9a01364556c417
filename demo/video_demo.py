# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Track and segment the instances, or things and stuff, of a video.

    python demo/video_demo.py INPUT MODEL --out OUT.mp4
    python demo/video_demo.py INPUT CONFIG --checkpoint CKPT --out OUT.mp4

"maxtron predict INPUT --model MODEL" does the same. INPUT is a video file, a
folder of frames, or the number of a camera. MODEL is the name of released
weights, which are downloaded once ("maxtron models" prints the names). CONFIG
belongs to an instance or a panoptic model. The video is read, processed and
written clip by clip, in memory that does not grow with its length. Ctrl-C ends
the run and keeps the results so far. Modes that read the whole video first
(--mode offline, --segment-decision per_video) produce results afterwards;
--feature-cache none then keeps the memory constant.
"""

import argparse

from projects.maxtron.cli import predict
from projects.maxtron.engine.cli import report_errors


def make_parser() -> argparse.ArgumentParser:
    """Make the parser, in which the model is a positional argument."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    predict.add_input(parser)
    parser.add_argument(
        'model', help='name of a released model, or config file'
    )
    predict.add_arguments(parser)
    return parser


if __name__ == '__main__':
    with report_errors():
        predict.run(make_parser().parse_args())
