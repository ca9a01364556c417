# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""Convert folders of masks (DAVIS, MOSE, YouTube-VOS) to YouTube-VIS format.

    python tools/dataset_converters/mask_folders_to_youtube_vis.py \
        data/mose/train/JPEGImages data/mose/train/Annotations \
        data/mose/train.json [--name object] [--suffix .jpg]

Read are IMAGES/VIDEO/FRAME.jpg and MASKS/VIDEO/FRAME.png. The value of a pixel
is the number of the object, 0 is background and 255 void; a palette is
ignored. All objects are of one class. Frames without a mask are left out.
docs/custom_dataset.md shows how to train on the result.
"""

import argparse
from pathlib import Path

from projects.maxtron.datasets.vipseg_layouts import list_frames
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.structures import read_id_map
from projects.maxtron.utils import dump_json, natural_key

import numpy as np
from mmengine.utils import track_iter_progress
from PIL import Image
from pycocotools import mask as mask_utils

BACKGROUND, VOID = 0, 255


def list_masks(args: argparse.Namespace, video: str) -> list[str]:
    """List the frames of a video that have a mask.

    Args:
        args (Namespace): Arguments of the tool.
        video (str): Name of the video.

    Returns:
        list[str]: Names of the frames without suffix, in temporal order.

    Raises:
        FileNotFoundError: If a mask has no image.
        InputError: If there is no mask.
    """
    stems = list_frames(str(args.masks / video), '.png')
    if not stems:
        raise InputError(
            f'video {video}: {args.masks / video} has no masks (.png).'
        )
    images = list_frames(str(args.images / video), args.suffix)
    missing = sorted({*stems} - {*images}, key=natural_key)
    if missing:
        raise FileNotFoundError(
            f'video {video}: frame {missing[0]} has a mask, but '
            f'{args.images / video} has no {missing[0]}{args.suffix}.'
        )
    return stems


def read_video(
    args: argparse.Namespace, video: str
) -> tuple[dict, dict[int, list]]:
    """Read the masks of a video.

    Args:
        args (Namespace): Arguments of the tool.
        video (str): Name of the video.

    Returns:
        tuple[dict, dict[int, list]]: ``file_names``, ``height`` and ``width``,
        and for each object its masks over frames, None if it is not visible.

    Raises:
        FileNotFoundError: If a mask has no image.
        InputError: If there is no mask, or a mask has several channels or
            another size than its image or than the other frames.
    """
    stems = list_masks(args, video)
    names = [f'{video}/{stem}{args.suffix}' for stem in stems]
    size: tuple[int, ...] = ()
    tracks: dict[int, list] = {}
    for t, stem in enumerate(stems):
        where = f'video {video}, frame {stem}'
        path = args.masks / video / f'{stem}.png'
        ids = read_id_map(str(path), where, raw=True)
        with Image.open(args.images / names[t]) as image:
            expected = image.height, image.width
        size = size or ids.shape
        for other, what in ((expected, 'its image'), (size, f'{names[0]}')):
            if ids.shape != other:
                raise InputError(
                    f'{where}: {path} is {ids.shape[0]} x {ids.shape[1]} '
                    f'(height x width), but {what} is {other[0]} x {other[1]}.'
                )
        for i in np.unique(ids).tolist():
            if i not in (BACKGROUND, VOID):
                rle = mask_utils.encode(np.asfortranarray(ids == i, np.uint8))
                masks = tracks.setdefault(i, [None] * len(stems))
                masks[t] = dict(
                    size=rle['size'], counts=rle['counts'].decode()
                )
    return dict(file_names=names, height=size[0], width=size[1]), tracks


def convert(args: argparse.Namespace) -> dict:
    """Convert all videos.

    Args:
        args (Namespace): Arguments of the tool.

    Returns:
        dict: ``categories``, ``videos`` and ``annotations``.

    Raises:
        FileNotFoundError: If there is no video, or a mask has no image.
        InputError: If a video has no masks, or a mask is wrong.
    """
    names = sorted(
        (path.name for path in args.masks.glob('*') if path.is_dir()),
        key=natural_key,
    )
    if not names:
        raise FileNotFoundError(
            f'{args.masks} has no folders of videos. Is it the folder of '
            'masks, such as Annotations or Annotations/480p?'
        )
    content: dict[str, list] = dict(
        categories=[dict(id=1, name=args.name)], videos=[], annotations=[]
    )
    for number, name in enumerate(track_iter_progress(names), 1):
        video, tracks = read_video(args, name)
        content['videos'].append(dict(video, id=number))
        for masks in tracks.values():
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    video_id=number,
                    category_id=1,
                    iscrowd=0,
                    segmentations=masks,
                )
            )
    return content


@report_errors('mask_folders_to_youtube_vis', ValueError)
def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('images', type=Path, help='folder of frames')
    parser.add_argument('masks', type=Path, help='folder of masks')
    parser.add_argument('out', help='file to write (.json)')
    parser.add_argument('--name', default='object', help='name of the class')
    parser.add_argument('--suffix', default='.jpg', help='suffix of frames')
    args = parser.parse_args(argv)
    content = convert(args)
    dump_json(content, args.out)
    print(
        f'\n{args.out}: {len(content["videos"])} videos, '
        f'{len(content["annotations"])} objects'
    )


if __name__ == '__main__':
    main()
