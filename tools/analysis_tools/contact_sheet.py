# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Draw a contact sheet: some frames of several videos of the same scene.

    python tools/analysis_tools/contact_sheet.py OUT.png
        input=film.mp4 segments=film_panoptic.mp4

Each row shows one video at the same times, spread over the shortest video.
"""

import argparse

from projects.maxtron.apis import FrameSource, open_frame_source
from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.utils import write_image
from projects.maxtron.visualization.label_drawing import draw_label

import cv2
import numpy as np

_WHITE = np.full(3, 255, np.uint8)


def parse_row(text: str) -> tuple[str, str]:
    """Split LABEL=VIDEO."""
    label, mark, video = text.partition('=')
    if not (label and mark and video):
        raise argparse.ArgumentTypeError(f'{text} is not LABEL=VIDEO')
    return label, video


def pick_frames(videos: list[str], num_frames: int) -> list[list[np.ndarray]]:
    """Read frames at the same, evenly spread times of all videos.

    Args:
        videos (list[str]): Video files or folders of frames.
        num_frames (int): Number of frames per video.

    Returns:
        list[list[np.ndarray]]: Frames (H, W, 3), BGR, uint8, of each video.

    Raises:
        VideoError: If a video cannot be read.
    """
    sources = [open_frame_source(video) for video in videos]
    length = min(s.num_frames or sum(1 for _ in s) for s in sources)
    # the middle of each of num_frames equal parts
    times = (2 * np.arange(num_frames) + 1) * length // (2 * num_frames)
    return [read_frames(source, times.tolist()) for source in sources]


def read_frames(source: FrameSource, times: list[int]) -> list[np.ndarray]:
    """Read some frames of a video.

    Args:
        source (FrameSource): The video.
        times (list[int]): Numbers of the frames, in order.

    Returns:
        list[np.ndarray]: Frames (H, W, 3), BGR, uint8. The last frame stands
        for frames that the container announces, but does not have.
    """
    frames: list[np.ndarray] = []
    for time, frame in enumerate(source):
        frames += [frame] * times.count(time)
        if len(frames) == len(times):
            break
    return frames + [frame] * (len(times) - len(frames))


def draw_sheet(
    rows: list[list[np.ndarray]], labels: list[str], width: int
) -> np.ndarray:
    """Put the frames into a grid, with the label of each row.

    Args:
        rows (list[list[np.ndarray]]): Frames (H, W, 3), BGR, uint8.
        labels (list[str]): Label of each row.
        width (int): Width of the sheet in pixels.

    Returns:
        np.ndarray: The sheet, BGR, uint8.
    """
    column = width // len(rows[0])
    lines = []
    for frames, label in zip(rows, labels, strict=True):
        height = max(
            1, round(column * frames[0].shape[0] / frames[0].shape[1])
        )
        tiles = [
            cv2.resize(frame, (column, height), interpolation=cv2.INTER_AREA)
            for frame in frames
        ]
        draw_label(tiles[0], label, (0, 0), _WHITE)
        lines.append(np.concatenate(tiles, axis=1))
    return np.concatenate(lines)


@report_errors('contact_sheet')
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', help='image to write (.png, .webp, .jpg)')
    parser.add_argument(
        'rows', nargs='+', type=parse_row, metavar='LABEL=VIDEO'
    )
    parser.add_argument(
        '--frames',
        type=positive_int,
        default=6,
        help='frames per video (default: %(default)s)',
    )
    parser.add_argument(
        '--width',
        type=positive_int,
        default=1440,
        help='width of the sheet in pixels (default: %(default)s)',
    )
    args = parser.parse_args()
    labels, videos = zip(*args.rows)
    if not args.out.lower().endswith(('.png', '.webp', '.jpg')):
        raise InputError(f'{args.out} must end in .png, .webp or .jpg')
    rows = pick_frames(list(videos), args.frames)
    sheet = draw_sheet(rows, list(labels), args.width)
    # OpenCV's default is a large file without loss.
    is_webp = args.out.lower().endswith('.webp')
    quality = [cv2.IMWRITE_WEBP_QUALITY, 85] if is_webp else []
    write_image(args.out, sheet, quality)
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
