# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""Convert the annotations of YouTube-VIS, OVIS and LV-VIS for this project.

The original files have one entry per instance and video. The converted files
have one entry per frame, as MMDetection's video datasets read them. Masks
decide in which frames an instance is visible; boxes and areas are derived from
them. Run from the root of the repository:

    python tools/dataset_converters/youtube_vis_to_coco.py \
        data/youtube_vis_2019 --version 2019
"""

import argparse
from pathlib import Path

from projects.maxtron.datasets.track_file import TrackFile, Video, name_videos
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.json_file import FLAG, Entry, load_json
from projects.maxtron.utils import dump_json

from mmengine.utils import track_iter_progress

SPLITS = ('train', 'valid', 'test')
# Path of the original file of a split, and name of the converted file.
LAYOUTS = {
    '2019': ('{split}.json', 'youtube_vis_2019_{split}.json'),
    '2021': ('{split}/instances.json', 'youtube_vis_2021_{split}.json'),
    '2022': ('{split}/instances.json', 'youtube_vis_2022_{split}.json'),
    'ovis': ('annotations_{split}.json', 'ovis_{split}.json'),
    'lv_vis': ('{short}_instances.json', 'lv_vis_{short}.json'),
    # custom data in the same format, see docs/custom_dataset.md
    'custom': ('{split}.json', '{split}.json'),
}
# versions whose validation set is published with annotations
PUBLIC_VALID = ('lv_vis',)


def file_names(version: str, split: str) -> tuple[str, str]:
    """Name the files of a split.

    Args:
        version (str): Key of ``LAYOUTS``.
        split (str): One of ``SPLITS``.

    Returns:
        tuple[str, str]: Path of the original file, and name of the converted
        file.
    """
    short = split.replace('valid', 'val')
    source, target = LAYOUTS[version]
    return (
        source.format(split=split, short=short),
        target.format(split=split, short=short),
    )


def convert(source: dict, with_annotations: bool) -> dict:
    """Convert annotations per track into annotations per frame.

    Args:
        source (dict): Content of an original file: ``videos``, ``categories``
            and ``annotations`` with one list item per frame.
        with_annotations (bool): Whether to convert the annotations.

    Returns:
        dict: See :func:`convert_tracks`.

    Raises:
        ValueError: If the content is inconsistent.
    """
    top = Entry(source, 'the annotation file')
    return convert_tracks(TrackFile(top, with_annotations), with_annotations)


def convert_tracks(source: TrackFile, with_annotations: bool) -> dict:
    """Convert the videos and tracks of a file.

    Args:
        source (TrackFile): The original file.
        with_annotations (bool): Whether to convert the annotations.

    Returns:
        dict: ``categories``, ``videos``, ``images`` and optionally
        ``annotations``. Images, annotations and instances are numbered
        over the whole file, from 1, in order of appearance. Videos and
        categories keep their ids.

    Raises:
        ValueError: If a mask is malformed or does not fit its video.
    """
    ids = [video.id for video in source.videos]
    names = name_videos(ids, [video.file_names[0] for video in source.videos])
    target = dict(
        categories=[entry.values for entry in source.categories.values()],
        videos=[dict(id=i, name=name) for i, name in zip(ids, names)],
        images=[],
    )
    if with_annotations:
        target['annotations'] = []
    num_instances = 0
    for video in track_iter_progress(source.videos):
        tracks = source.tracks(video)
        instance_ids: dict[str, int] = {}
        for t, image in enumerate(_describe_frames(video)):
            image['id'] = len(target['images']) + 1
            target['images'].append(image)
            for track, instances in tracks:
                if instances[t] is None:
                    continue
                if track.where not in instance_ids:
                    num_instances += 1
                    instance_ids[track.where] = num_instances
                target['annotations'].append(
                    dict(
                        id=len(target['annotations']) + 1,
                        video_id=video.id,
                        image_id=image['id'],
                        category_id=source.category_id(track),
                        instance_id=instance_ids[track.where],
                        bbox=instances[t].bbox,
                        segmentation=instances[t].segmentation,
                        area=instances[t].area,
                        iscrowd=int(track.optional('iscrowd', FLAG, 0)),
                    )
                )
    return target


def _describe_frames(video: Video) -> list[dict]:
    """Describe the frames of a video, as they are listed."""
    order = video.order
    frame_ids = {t: frame_id for frame_id, t in enumerate(order)}
    images = [
        dict(
            file_name=file_name,
            height=video.height,
            width=video.width,
            id=0,  # numbered over all videos
            frame_id=frame_ids[t],
            video_id=video.id,
        )
        for t, file_name in enumerate(video.file_names)
    ]
    if order != sorted(order):
        for t, image in enumerate(images):
            image['file_frame_id'] = t  # for the order of submissions
    return images


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
    top = load_json(source)
    if 'images' in top or 'videos' not in top:
        reason = 'it has "images", as a converted file has'
        if 'images' not in top:
            reason = 'the field "videos" is missing'
        raise ValueError(
            f'{source} is not an original annotation file of '
            f'YouTube-VIS, OVIS or LV-VIS: {reason}.'
        )
    if keep_annotations and not top.values.get('annotations'):
        raise ValueError(
            f'{source} has no annotations. Name the splits that '
            'have some by --splits.'
        )
    tracks = TrackFile(top, keep_annotations)
    converted = convert_tracks(tracks, keep_annotations)
    print(
        f'\n{len(converted["videos"])} videos, {len(converted["images"])} '
        f'frames, {len(converted.get("annotations", []))} annotations'
    )
    for note, count in tracks.notes.items():
        print(f'note: {count} {note}')
    dump_json(converted, target)


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
        help='splits to convert (default: all that are found)',
    )
    parser.add_argument(
        '--with-gt',
        action='store_true',
        help='keep the annotations of valid and test, too, to compute AP on '
        'them (OVIS published them; or those of an own split); those of '
        'LV-VIS are always kept',
    )
    parser.add_argument(
        '--source',
        type=Path,
        help='original file to read instead of the one of that name in ROOT; '
        'with exactly one split',
    )
    return parser


@report_errors('error', ValueError)
def main(args: list[str] | None = None) -> None:
    parser = make_parser()
    args = parser.parse_args(args)
    names = {
        split: file_names(args.version, split)
        for split in args.splits or SPLITS
    }
    sources = {
        split: args.root / source for split, (source, _) in names.items()
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
        convert_file(
            source,
            out / names[split][1],
            split == 'train'
            or args.with_gt
            or (split == 'valid' and args.version in PUBLIC_VALID),
        )


if __name__ == '__main__':
    main()
