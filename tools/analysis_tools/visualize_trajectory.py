# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Draw the attention of a point to all frames of its clip.

    python tools/analysis_tools/visualize_trajectory.py CONFIG CHECKPOINT INPUT
        --point X Y --frame I --out FILE.png
        [--clip F ...] [--layer L] [--level V]

INPUT is a video file or a folder of frames. A red dot marks the reference
point, which is given in pixels of frame I. A heat map over each frame shows
the attention of one axial-trajectory layer, with the share of the attention
that falls on the frame. projects/maxtron/visualization/trajectory_maps.py
explains how the maps of the height and the width axis are combined.

By default the clip is the one into which the model would cut the video. --clip
combines any frames to a clip.
"""

import argparse
from collections.abc import Sequence
from itertools import islice

from projects.maxtron.apis import (
    FrameSource,
    MaXTronInferencer,
    VideoError,
    open_frame_source,
)
from projects.maxtron.engine.cli import make_parser, report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.utils import write_image
from projects.maxtron.visualization import (
    draw_trajectory,
    record_calls,
    resize_maps,
    to_cell,
    tracking_layers,
    trajectory_maps,
)

import cv2
import numpy as np
import torch


def read_clip(
    source: FrameSource, head, frame: int, clip: list[int] | None
) -> tuple[list[int], list]:
    """Read the clip that contains a frame.

    Args:
        source (FrameSource): The video.
        head (BaseMaXTronHead): Head that splits the video if ``clip``
            is None.
        frame (int): Number of the frame.
        clip (list[int], optional): Numbers of the frames of the clip.

    Returns:
        tuple[list[int], list[np.ndarray]]: Numbers of the frames, and the
        frames, BGR.

    Raises:
        VideoError: If the video has no such frame.
    """
    last = -1
    if clip is not None:
        images = {}
        for last, image in enumerate(islice(source, max(clip) + 1)):
            if last in clip:
                images[last] = image
        if last == max(clip):
            return clip, [images[i] for i in clip]
    else:
        for part, _ in head.split(enumerate(source), source.num_frames):
            last = part[-1][0]
            if last >= frame:
                return tuple(zip(*part))
    raise VideoError(
        f'{source.name} has {last + 1} frames, numbered from 0; there is no '
        f'frame {max(clip or [frame])}.'
    )


def choose_layer(model, index: int) -> tuple:
    """Choose a within-clip tracking layer by its number.

    Args:
        model (nn.Module): The model.
        index (int): Number of the layer; negative numbers count from the end.

    Returns:
        tuple[str, AxialTrajectoryLayer]: Name and layer.

    Raises:
        InputError: If the layer does not exist.
    """
    layers = list(tracking_layers(model).items())
    if not layers:
        raise InputError(
            'The model has no layer that tracks within a clip: it is a '
            'baseline. Take a near-online or an offline config of MaXTron.'
        )
    if not -len(layers) <= index < len(layers):
        names = '\n'.join(
            f'  {i}: {name}' for i, (name, _) in enumerate(layers)
        )
        raise InputError(f'--layer {index} is none of\n{names}')
    return layers[index]


def find_cells(
    point: Sequence[int],
    size: tuple[int, int],
    img_shape: tuple[int, int],
    input_shape: tuple[int, int],
    map_shape: tuple[int, int],
) -> list[int]:
    """Find row and column of a point of a frame in a feature map.

    Args:
        point (Sequence[int]): x and y in pixels of the frame.
        size (tuple[int, int]): Height and width of the frame.
        img_shape (tuple[int, int]): Height and width after resizing.
        input_shape (tuple[int, int]): Height and width after padding.
        map_shape (tuple[int, int]): Height and width of the feature map.

    Returns:
        list[int]: Row and column in the feature map.
    """
    return [
        to_cell((x + 0.5) * img / ori - 0.5, pixels, num_cells)
        for x, img, ori, pixels, num_cells in zip(
            point[::-1], img_shape, size, input_shape, map_shape
        )
    ]


def draw(
    inferencer: MaXTronInferencer,
    source: FrameSource,
    args: argparse.Namespace,
) -> np.ndarray:
    """Run the model on a clip and draw the attention of the point.

    Args:
        inferencer (MaXTronInferencer): Inferencer with the model.
        source (FrameSource): The video.
        args (Namespace): The command line.

    Returns:
        np.ndarray: RGB, uint8, (H, W, 3).

    Raises:
        InputError: If the layer or the level does not exist.
    """
    model = inferencer.model
    name, layer = choose_layer(model, args.layer)
    numbers, frames = read_clip(source, model.head, args.frame, args.clip)
    images = [inferencer.preprocess(frame) for frame in frames]
    preprocessor = model.data_preprocessor
    inputs = preprocessor.preprocess_clip(images)
    img_shape = preprocessor.img_shape(images[0].shape[-2:])
    with torch.no_grad(), record_calls(layer) as calls:
        model.forward_clips(inputs)
        if not -len(calls) <= args.level < len(calls):
            raise InputError(
                f'--level {args.level} does not exist: the layer has '
                f'{len(calls)} levels; level 0 is the coarsest.'
            )
        call = calls[args.level]
        input_shape = inputs.shape[-2:]
        cells = find_cells(
            args.point, source.size, img_shape, input_shape, call['size'][1:]
        )
        reference = numbers.index(args.frame)
        maps, shares = trajectory_maps(layer, call, reference, *cells)
    print(
        f'Layer {name} ({layer.attn_type}), level {args.level}: maps of '
        f'{"x".join(map(str, maps.shape[1:]))}, reference in row '
        f'{cells[0]}, column {cells[1]}'
    )
    texts = [
        f'frame {number}{" (reference)" if t == reference else ""}: '
        f'{share:.0%} of attention'
        for t, (number, share) in enumerate(zip(numbers, shares.tolist()))
    ]
    return draw_trajectory(
        [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames],
        resize_maps(maps, input_shape, img_shape, source.size),
        texts,
        reference,
        args.point,
        args.panel_width,
        args.alpha,
    )


def make_trajectory_parser() -> argparse.ArgumentParser:
    """Make the parser of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('input', help='video file or folder of frames')
    parser.add_argument(
        '--point',
        type=int,
        nargs=2,
        required=True,
        metavar=('X', 'Y'),
        help='reference point, in pixels of the frame',
    )
    parser.add_argument(
        '--frame',
        type=int,
        required=True,
        metavar='I',
        help='number of the frame with the reference point, from 0',
    )
    parser.add_argument('--out', required=True, help='image file to write')
    parser.add_argument(
        '--clip',
        type=int,
        nargs='+',
        metavar='F',
        help='numbers of the frames of the clip, including --frame (default: '
        'the clip that inference would use)',
    )
    parser.add_argument(
        '--layer',
        type=int,
        default=-1,
        help='number of the within-clip tracking layer: 0 is the first, -1 '
        'the last (default: %(default)s)',
    )
    parser.add_argument(
        '--level',
        type=int,
        default=-1,
        help='level of the feature pyramid: 0 is the coarsest, -1 the finest '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--panel-width',
        type=int,
        default=480,
        help='width of a drawn frame in pixels (default: %(default)s)',
    )
    parser.add_argument(
        '--alpha',
        type=float,
        default=0.5,
        help='opacity of the heat maps (default: %(default)s)',
    )
    parser.add_argument(
        '--device',
        help='such as cuda:0 or cpu (default: the first GPU, if any)',
    )
    return parser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = make_trajectory_parser()
    args = parser.parse_args(argv)
    if args.clip is None:
        if args.frame < 0:
            parser.error(f'--frame must be 0 or more, got {args.frame}.')
    elif args.frame not in args.clip or min(args.clip) < 0:
        parser.error(
            f'--clip {args.clip} must be numbers of frames, from 0, '
            f'with --frame {args.frame} among them.'
        )
    if not cv2.haveImageWriter(args.out):
        parser.error(f'--out {args.out} is no image file: take .png or .jpg.')
    if args.panel_width < 1 or not 0 <= args.alpha <= 1:
        parser.error(
            '--panel-width must be positive, and --alpha between 0 and 1.'
        )
    return args


@report_errors()
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    source = open_frame_source(args.input)
    height, width = source.size
    if not (0 <= args.point[0] < width and 0 <= args.point[1] < height):
        raise InputError(
            f'--point {args.point} is outside the frames, '
            f'which are {width} wide and {height} high.'
        )
    inferencer = MaXTronInferencer(
        args.config, args.checkpoint, args.device, args.cfg_options
    )
    picture = draw(inferencer, source, args)
    write_image(args.out, picture[..., ::-1])
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
