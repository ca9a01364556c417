# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Convert the released VIPSeg to VIPSeg_720P, for training and tests.

    python tools/dataset_converters/vipseg_to_720p.py data/VIPSeg

Reads imgs/, panomasks/ and {train,val}.txt and writes VIPSeg_720P/ with
images/, panomasks/ and panomasksRGB/ of 720 rows and
panoptic_gt_VIPSeg_{train,val}.json. Frames without a mask (those of the test
set) are left out. An interrupted run continues with the video at which it
stopped; a complete split is left alone.
"""

import argparse
import json
import os
import os.path as osp
import shutil
from pathlib import Path

from projects.maxtron.datasets.vipseg_categories import VIPSEG_CATEGORIES
from projects.maxtron.datasets.vipseg_layouts import read_video_names
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.json_file import Entry, parse_json
from projects.maxtron.structures import SegmentColors, check_distinct_frames
from projects.maxtron.structures.panoptic_json import read_categories
from projects.maxtron.utils import dump_json

from mmengine.utils import track_parallel_progress, track_progress

from tools.dataset_converters.vipseg_video import PROGRESS, Job, convert_video

SPLITS = ('train', 'val', 'test')


class Converter:
    """Converts the splits of VIPSeg.

    Args:
        args (Namespace): ``root``, ``out``, ``nproc``, ``overwrite``,
            ``height`` and ``quality``.
        categories (list[dict]): ``id``, ``name``, ``isthing`` and ``color``
            in the order of the raw values.

    Raises:
        FileNotFoundError: If there is no folder of masks.
        ValueError: If the folder was begun with other settings.
    """

    def __init__(
        self, args: argparse.Namespace, categories: list[dict]
    ) -> None:
        self.root, self.out = str(args.root), str(args.out)
        self.nproc = args.nproc
        self.overwrite = args.overwrite
        self.categories = categories
        self.settings = dict(height=args.height, quality=args.quality)
        for folder in ('imgs', 'panomasks'):
            if not osp.isdir(osp.join(self.root, folder)):
                raise FileNotFoundError(
                    f'{self.root} has no folder {folder}. Is it the folder '
                    'of the released VIPSeg?'
                )
        self._claim_folder()

    def _claim_folder(self) -> None:
        """Refuse a folder that other settings have begun."""
        path = osp.join(self.out, PROGRESS, 'settings.json')
        wanted = dict(self.settings, categories=self.categories)
        found = (
            json.loads(Path(path).read_text()) if osp.exists(path) else wanted
        )
        other = [key for key in wanted if found.get(key) != wanted[key]]
        if other and not self.overwrite:
            raise ValueError(
                f'{self.out} was begun with another {other[0]}. Choose '
                'another folder with --out, or start over with --overwrite.'
            )
        if self.overwrite:
            shutil.rmtree(osp.join(self.out, PROGRESS), ignore_errors=True)
        for split in SPLITS if other else ():
            # The annotations do not match the new frames.
            Path(self._target(split)).unlink(missing_ok=True)
        dump_json(wanted, path)
        dump_json(
            self.categories, osp.join(self.out, 'panoVIPSeg_categories.json')
        )

    def _target(self, split: str) -> str:
        """Annotation file of a split."""
        return osp.join(self.out, f'panoptic_gt_VIPSeg_{split}.json')

    def convert(self, split: str) -> None:
        """Convert a split.

        Args:
            split (str): Its name.

        Raises:
            FileNotFoundError: If there is no list of its videos.
            ValueError: If the list is empty or names a video twice.
        """
        target = self._target(split)
        if osp.exists(target):
            if not self.overwrite:
                print(
                    f'{split}: complete, left alone (--overwrite converts it '
                    'again)'
                )
                return
            os.remove(target)
        names = read_video_names(osp.join(self.root, f'{split}.txt'))
        jobs = [
            Job(self.root, self.out, name, self.settings, self.categories)
            for name in names
        ]
        print(f'{split}: {len(names)} video(s) -> {self.out}')
        videos = [
            (name, record)
            for name, record in zip(names, self._convert_videos(jobs))
            if record['images']
        ]
        check_distinct_frames(
            (name, [image['id'] for image in record['images']])
            for name, record in videos
        )
        skipped = len(names) - len(videos)
        if skipped:
            print(f'{split}: {skipped} video(s) without masks were left out')
        if videos:
            self._write_annotations(videos, target)
        for job in jobs:
            os.remove(job.record)

    def _convert_videos(self, jobs: list[Job]) -> list[dict]:
        """Convert videos, and return their records in the same order."""
        if self.nproc == 1:
            records = track_progress(convert_video, jobs)
        else:
            records = track_parallel_progress(
                convert_video, jobs, self.nproc, keep_order=True
            )
        print()
        return records

    def _write_annotations(
        self, videos: list[tuple[str, dict]], target: str
    ) -> None:
        """Write the annotation file of a split from names and records."""
        dump_json(
            dict(
                videos=[
                    dict(video_id=name, images=record['images'])
                    for name, record in videos
                ],
                annotations=[
                    dict(video_id=name, annotations=record['annotations'])
                    for name, record in videos
                ],
                categories=self.categories,
            ),
            target,
        )


def load_categories(path: Path | None) -> list[dict]:
    """Read a table of categories.

    Args:
        path (Path, optional): JSON file: a list of ``id``, ``name``,
            ``isthing`` and ``color``; None for the categories of VIPSeg.

    Returns:
        list[dict]: The categories.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a field is missing or wrong, or an id or a name is not
            unique.
    """
    if path is None:
        return VIPSEG_CATEGORIES
    content = parse_json(str(path), remedy='Give it with --categories.')
    top = content if isinstance(content, dict) else dict(categories=content)
    categories = read_categories(Entry(top, str(path)), needs_color=True)
    try:
        SegmentColors(categories, 0)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return categories


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'root', type=Path, help='folder with imgs/, panomasks/ and *.txt'
    )
    parser.add_argument('--out', type=Path, help='default: ROOT/VIPSeg_720P')
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=SPLITS,
        help='splits to convert (default: train and val, if they have a '
        'ROOT/SPLIT.txt)',
    )
    parser.add_argument('--nproc', type=int, default=os.cpu_count())
    parser.add_argument('--overwrite', action='store_true')
    parser.add_argument(
        '--height', type=int, default=720, help='rows of a frame'
    )
    parser.add_argument(
        '--quality', type=int, default=75, help='of JPEG, 1 to 95'
    )
    parser.add_argument(
        '--categories',
        type=Path,
        help='JSON file of categories other than those of VIPSeg, in the '
        'order of the raw values: [{id, name, isthing, color}]',
    )
    args = parser.parse_args(args)
    args.out = args.out or args.root / 'VIPSeg_720P'
    for key, low, high in (
        ('nproc', 1, 512),
        ('height', 1, 1 << 14),
        ('quality', 1, 95),
    ):
        if not low <= getattr(args, key) <= high:
            parser.error(
                f'--{key} must be {low} to {high}, got {getattr(args, key)}'
            )
    splits = args.splits or [
        s for s in SPLITS[:2] if (args.root / f'{s}.txt').exists()
    ]
    missing = [
        f'{args.root / s}.txt'
        for s in splits or SPLITS[:2]
        if not (args.root / f'{s}.txt').exists()
    ]
    if missing:
        parser.error(
            f'No such file: {", ".join(missing)}. Is ROOT the folder '
            'of the released VIPSeg?'
        )
    args.splits = splits
    return args


@report_errors('vipseg_to_720p', ValueError)
def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    converter = Converter(args, load_categories(args.categories))
    for split in args.splits:
        converter.convert(split)


if __name__ == '__main__':
    main()
