# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Convert the annotations of YouTube-VIS and OVIS for this project.

The original files describe a video by one entry per instance; here every frame
is an image with annotations of its own, as MMDetection's video datasets read
it. Run from the root of the repository:

    python tools/dataset_converters/youtube_vis_to_coco.py \
        data/youtube_vis_2019 --version 2019
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

from projects.maxtron.utils import atomic_path

from mmengine.utils import track_iter_progress

SPLITS = ('train', 'valid', 'test')
# where the original file of a split lies, and the name of the converted one
LAYOUTS = {
    '2019': ('{split}.json', 'youtube_vis_2019_{split}.json'),
    '2021': ('{split}/instances.json', 'youtube_vis_2021_{split}.json'),
    '2022': ('{split}/instances.json', 'youtube_vis_2022_{split}.json'),
    'ovis': ('annotations_{split}.json', 'ovis_{split}.json'),
    # data of one's own in the same format, see docs/custom_dataset.md
    'custom': ('{split}.json', '{split}.json'),
}


def convert(source: dict, with_annotations: bool) -> dict:
    """Convert annotations per instance into annotations per image.

    Args:
        source (dict): The original content: ``videos``, ``categories`` and
            ``annotations`` with one list item a frame.
        with_annotations (bool): Whether to convert the annotations, too.

    Returns:
        dict: ``categories``, ``videos``, ``images`` and, if wanted,
        ``annotations``. Images, annotations and instances are numbered
        over the whole file, from 1, in order of appearance.

    Raises:
        ValueError: If an annotation fits no video, category or frame, or a
            video has no frames.
    """
    for video in source['videos']:
        if not video['file_names']:
            raise ValueError(f'video {video["id"]} has no frames')
    target = dict(categories=source['categories'], videos=[], images=[])
    if with_annotations:
        target['annotations'] = []
        by_video = group_annotations(source)
    instance_ids: dict[int, int] = {}
    for video in track_iter_progress(source['videos']):
        target['videos'].append(
            dict(id=video['id'], name=video['file_names'][0].split('/')[0])
        )
        for frame_id, file_name in enumerate(video['file_names']):
            image = dict(
                file_name=file_name,
                height=video['height'],
                width=video['width'],
                id=len(target['images']) + 1,
                frame_id=frame_id,
                video_id=video['id'],
            )
            target['images'].append(image)
            if with_annotations:
                add_annotations(
                    target['annotations'],
                    by_video[video['id']],
                    image,
                    instance_ids,
                )
    return target


def group_annotations(source: dict) -> dict[int, list[dict]]:
    """Group the annotations by video and see that they belong to it.

    Args:
        source (dict): The original content.

    Returns:
        dict[int, list[dict]]: Annotations by video id, in file order.

    Raises:
        ValueError: See :func:`convert`.
    """
    videos = {video['id']: video for video in source['videos']}
    categories = {category['id'] for category in source['categories']}
    groups = defaultdict(list)
    for ann in source['annotations']:
        video = videos.get(ann['video_id'])
        if video is None:
            raise ValueError(
                f'annotation {ann["id"]} belongs to video '
                f'{ann["video_id"]}, which does not exist'
            )
        if ann['category_id'] not in categories:
            raise ValueError(
                f'annotation {ann["id"]} has the unknown category '
                f'{ann["category_id"]}; known are {sorted(categories)}'
            )
        check_frames(ann, video)
        groups[ann['video_id']].append(ann)
    return groups


def check_frames(ann: dict, video: dict) -> None:
    """See that an annotation has one entry a frame, of the frame's size.

    Args:
        ann (dict): Original annotation.
        video (dict): The video that it belongs to.

    Raises:
        ValueError: See :func:`convert`.
    """
    length = len(video['file_names'])
    for key in ('bboxes', 'segmentations', 'areas'):
        if len(ann[key]) != length:
            raise ValueError(
                f'annotation {ann["id"]} has {len(ann[key])} {key}, but '
                f'video {video["id"]} has {length} frames'
            )
    size = [video['height'], video['width']]
    for frame, mask in enumerate(ann['segmentations']):
        if isinstance(mask, dict) and list(mask['size']) != size:
            raise ValueError(
                f'annotation {ann["id"]} has a mask of {mask["size"][0]} x '
                f'{mask["size"][1]} (height x width) in frame {frame}, but '
                f'video {video["id"]} is {size[0]} x {size[1]}'
            )


def add_annotations(
    target: list[dict],
    anns: list[dict],
    image: dict,
    instance_ids: dict[int, int],
) -> None:
    """Append what is visible in one frame.

    Args:
        target (list[dict]): Converted annotations, extended in place.
        anns (list[dict]): Original annotations of the video.
        image (dict): The frame.
        instance_ids (dict[int, int]): Numbers of the instances by original
            annotation id, extended in place.
    """
    for ann in anns:
        bbox = ann['bboxes'][image['frame_id']]
        if bbox is None:
            continue
        target.append(
            dict(
                id=len(target) + 1,
                video_id=image['video_id'],
                image_id=image['id'],
                category_id=ann['category_id'],
                instance_id=instance_ids.setdefault(
                    ann['id'], len(instance_ids) + 1
                ),
                bbox=bbox,
                segmentation=ann['segmentations'][image['frame_id']],
                area=ann['areas'][image['frame_id']],
                iscrowd=ann['iscrowd'],
            )
        )


def convert_file(source: Path, target: Path, keep_annotations: bool) -> None:
    """Convert a file; an existing target stays until the new one is complete.

    Args:
        source (Path): Original annotation file.
        target (Path): File to write.
        keep_annotations (bool): Whether to convert annotations.

    Raises:
        ValueError: If the file is not in the original format, or has no
            annotations though they were asked for.
    """
    print(f'{source} -> {target}')
    try:
        content = json.loads(source.read_text())
    except ValueError as error:  # no JSON, or no text at all
        raise ValueError(
            f'{source} is not a JSON file ({error}). Was it '
            'downloaded completely?'
        ) from error
    if 'images' in content or 'videos' not in content:
        raise ValueError(
            f'{source} is not an original annotation file of '
            'YouTube-VIS or OVIS; has it been converted before?'
        )
    if keep_annotations and not content.get('annotations'):
        raise ValueError(
            f'{source} has no annotations. Name the splits that '
            'have some by --splits.'
        )
    try:
        converted = convert(content, keep_annotations)
    except ValueError as error:
        raise ValueError(f'{source}: {error}.') from error
    print(
        f'\n{len(converted["videos"])} videos, {len(converted["images"])} '
        f'frames, {len(converted.get("annotations", []))} annotations'
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as part:
        Path(part).write_text(json.dumps(converted))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'root', type=Path, help='folder with the original annotation files'
    )
    parser.add_argument('--version', required=True, choices=LAYOUTS)
    parser.add_argument(
        '--out',
        type=Path,
        help='folder to write to (default: ROOT/annotations)',
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=SPLITS,
        help='what to convert (default: all that are found)',
    )
    parser.add_argument(
        '--with-gt',
        action='store_true',
        help='keep the annotations of valid and test, too, to compute AP on '
        'them (OVIS published them; or those of an own split)',
    )
    parser.add_argument(
        '--source',
        type=Path,
        help='original file to read instead of the one of that name in ROOT; '
        'with exactly one split',
    )
    return parser


def main(args: list[str] | None = None) -> None:
    parser = make_parser()
    args = parser.parse_args(args)
    source_name, target_name = LAYOUTS[args.version]
    sources = {
        split: args.root / source_name.format(split=split)
        for split in args.splits or SPLITS
    }
    if args.source is not None:
        if len(sources) != 1:
            parser.error('--source needs --splits with one split.')
        sources = dict.fromkeys(sources, args.source)
    missing = [str(path) for path in sources.values() if not path.exists()]
    if missing and (args.splits or len(missing) == len(sources)):
        parser.error(
            f'No such file: {", ".join(missing)}. Is ROOT the '
            'folder of the original annotations?'
        )
    out = args.out or args.root / 'annotations'
    for split, source in sources.items():
        if not source.exists():
            continue
        try:
            convert_file(
                source,
                out / target_name.format(split=split),
                split == 'train' or args.with_gt,
            )
        except (OSError, ValueError) as error:
            sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
