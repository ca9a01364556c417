# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""List the videos of Cityscapes-VPS for VIPSegDataset.

    python tools/dataset_converters/cityscapes_vps_to_720p.py ROOT

Read is panoptic_gt_SPLIT_city_vps.json, which the scripts of VPSNet make,
and the folders images/SPLIT/VIDEO and panomasksRGB/SPLIT/VIDEO, which
prepare_dataset.py fills with the published files. Written are
cityscapes_vps_SPLIT.json with the annotated frames (every fifth) and
cityscapes_vps_SPLIT_all.json with all frames that have an image. Images and
maps are left as they are.
"""

import argparse
import re
from pathlib import Path

from projects.maxtron.datasets.vipseg_layouts import list_frames
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.json_file import LIST, TEXT, Entry, load_json
from projects.maxtron.structures.panoptic_json import read_categories
from projects.maxtron.utils import dump_json, natural_key

from PIL import Image

from tools.dataset_converters.recipes import CITYSCAPES_KIND

SPLITS = ('train', 'val')
SOURCE = 'panoptic_gt_{}_city_vps.json'
ANNOTATIONS = 'cityscapes_vps_{}.json'
# names are VIDEO_FRAME_CITY_..._final_mask.png
NAME = re.compile(rf'(?:.*/)?((\d{{4}})_.+?){CITYSCAPES_KIND}[.]png')


def group_frames(top: Entry) -> dict[str, dict[str, list]]:
    """Group the annotations by video.

    Args:
        top (Entry): The published file.

    Returns:
        dict[str, dict[str, list]]: Segments by the names of video and frame.

    Raises:
        InputError: If a field is missing or wrong, a name has no number of a
            video, or a frame is annotated twice.
    """
    videos: dict[str, dict[str, list]] = {}
    for annotation in top.entries('annotations', 'annotation', 'file_name'):
        match = NAME.fullmatch(annotation.require('file_name', TEXT))
        if match is None:
            raise annotation.error(
                'the file_name does not start with the four digits of a '
                'video and end in .png.'
            )
        stem, video = match.groups()
        frames = videos.setdefault(video, {})
        if stem in frames:
            raise annotation.error('the frame is annotated twice.')
        frames[stem] = annotation.require('segments_info', LIST)
    if not videos:
        raise top.error('annotations is empty: nothing to convert.')
    return dict(sorted(videos.items()))


def list_video(
    root: Path, split: str, video: str, labelled: dict[str, list]
) -> tuple[list[str], dict[str, int]]:
    """List the frames of a video and read their size.

    Args:
        root (Path): Folder of the dataset.
        split (str): The split.
        video (str): Name of the video.
        labelled (dict[str, list]): Annotated frames.

    Returns:
        tuple[list[str], dict[str, int]]: Names of all frames in temporal
        order, and ``height`` and ``width``.

    Raises:
        FileNotFoundError: If the image or the map of an annotated frame does
            not exist.
    """
    images, maps = (
        root / kind / split / video for kind in ('images', 'panomasksRGB')
    )
    for folder in (images, maps):
        missing = sorted({*labelled} - {*list_frames(str(folder), '.png')})
        if missing:
            raise FileNotFoundError(
                f'video {video}: frame {missing[0]} is annotated, but '
                f'{folder} has no such file.'
            )
    with Image.open(maps / f'{next(iter(labelled))}.png') as image:
        size = dict(width=image.width, height=image.height)
    return list_frames(str(images), '.png'), size


def convert(root: Path, split: str, nproc: int = 1) -> None:
    """Write the lists of a split.

    Args:
        root (Path): Folder of the dataset.
        split (str): 'train' or 'val'.
        nproc (int): Not used, as nothing is computed. Defaults to 1.

    Raises:
        FileNotFoundError: If a file does not exist.
        InputError: If the published file is wrong.
    """
    top = load_json(str(root / SOURCE.format(split)))
    categories = read_categories(top)
    grouped = group_frames(top)
    videos: dict[str, list] = {split: [], f'{split}_all': []}
    annotations = []
    for video, labelled in grouped.items():
        stems, size = list_video(root, split, video, labelled)
        for name, chosen in (
            (split, [s for s in stems if s in labelled]),
            (f'{split}_all', stems),
        ):
            images = [
                dict(id=stem, file_name=f'{stem}.png', **size)
                for stem in chosen
            ]
            videos[name].append(dict(video_id=video, images=images))
        frames = [
            dict(
                image_id=stem,
                file_name=f'{stem}.png',
                segments_info=labelled[stem],
            )
            for stem in sorted(labelled, key=natural_key)
        ]
        annotations.append(dict(video_id=video, annotations=frames))
    for name, listed in reversed(videos.items()):
        dump_json(
            dict(
                videos=listed, annotations=annotations, categories=categories
            ),
            root / ANNOTATIONS.format(name),
        )
    print(f'{split}: {len(annotations)} video(s)')


@report_errors('cityscapes_vps_to_720p', ValueError)
def main(args: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='folder of the dataset')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parsed = parser.parse_args(args)
    for split in parsed.splits:
        convert(parsed.root, split)


if __name__ == '__main__':
    main()
