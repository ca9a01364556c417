# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""Prepare a downloaded dataset for the configs.

    python tools/dataset_converters/prepare_dataset.py youtube_vis_2019 \
        downloads/train.zip downloads/valid.zip downloads/*.json

The script unpacks the files that the configs need, converts them, and checks
them with tools/misc/check_dataset.py. Sources are archives (zip or tar, with
or without a leading folder, also nested), single files, and folders. Files of
folders are linked, and archives in them are unpacked. Sources are not changed.
Existing files are kept: an interrupted run continues, and a second run of the
same command only checks.
"""

import argparse
import os
from pathlib import Path
from types import ModuleType

from projects.maxtron.engine.cli import report_errors

from tools.dataset_converters import (
    cityscapes_vps_to_720p,
    step_to_720p,
    vipseg_to_720p,
    youtube_vis_to_coco,
)
from tools.dataset_converters.archives import Unpacker
from tools.dataset_converters.recipes import RECIPES, VIPSEG, Recipe
from tools.misc import check_dataset

ROOT = Path(__file__).resolve().parents[2]
CONVERTERS = dict(
    cityscapes_vps=cityscapes_vps_to_720p, kitti_step=step_to_720p
)


def unpack(recipe: Recipe, args: argparse.Namespace) -> None:
    """Unpack the sources.

    Raises:
        FileNotFoundError: If a source does not exist, or files are still
            missing after all sources.
        ValueError: If a source cannot be read or has no needed file.
    """

    def place(path):
        target = recipe.place(path)
        return None if target is None else args.data_root / target

    downloads = sorted(
        {download for needs in recipe.needs.values() for _, download in needs}
    )
    unpacker = Unpacker(place, args.overwrite)
    for source in args.sources:
        if not unpacker.add(source):
            raise ValueError(
                f'{source} has nothing that {args.name} needs. Expected: '
                f'{", ".join(downloads)}.{recipe.note}'
            )
    if args.sources:
        print(
            f'{unpacker.num_written} files written to {args.data_root}, '
            f'{unpacker.num_present} were there, {unpacker.num_ignored} '
            'not needed'
        )
    missing = [
        f'{args.data_root / paths[0]} (from {download})'
        for split in args.splits
        for paths, download in recipe.needs[split]
        if not any((args.data_root / path).exists() for path in paths)
    ]
    if missing:
        raise FileNotFoundError(
            f'{args.name} is not complete: there is no '
            f'{", no ".join(missing)}. Name what is missing as a further '
            'source (what is in place stays), or choose by --splits.'
            f'{recipe.note}'
        )


def convert_instances(version: str, args: argparse.Namespace) -> None:
    """Convert new annotations of YouTube-VIS, OVIS or LV-VIS."""
    options = ['--with-gt'] if args.with_gt else []
    for name in youtube_vis_to_coco.SPLITS:
        source, target = youtube_vis_to_coco.file_names(version, name)
        original = args.data_root / source
        converted = args.data_root / 'annotations' / target
        if not original.exists():
            continue
        if (
            converted.exists()
            and not args.overwrite
            and (converted.stat().st_mtime >= original.stat().st_mtime)
        ):
            print(
                f'{converted}: converted before, left alone (--overwrite '
                'converts it again)'
            )
            continue
        youtube_vis_to_coco.main(
            [
                str(args.data_root),
                '--version',
                version,
                '--splits',
                name,
                *(options if name != 'test' else []),
            ]
        )


def convert_vipseg(args: argparse.Namespace) -> None:
    """Convert the incomplete splits of VIPSeg."""
    options = ['--overwrite'] if args.overwrite else []
    splits = [
        split
        for split in args.splits
        if args.overwrite
        or not (
            args.data_root / VIPSEG / f'panoptic_gt_VIPSeg_{split}.json'
        ).exists()
    ]
    for split in args.splits:
        if split not in splits:
            print(
                f'{args.data_root / VIPSEG}, {split}: converted before, '
                'left alone (--overwrite converts it again)'
            )
    if splits:
        vipseg_to_720p.main(
            [
                str(args.data_root),
                '--nproc',
                str(args.nproc),
                *options,
                '--splits',
                *splits,
            ]
        )


def convert_in_place(converter: ModuleType, args: argparse.Namespace) -> None:
    """Convert the splits that are not converted.

    Args:
        converter (ModuleType): Module with ``ANNOTATIONS``, the name of the
            output, and ``convert``.
        args (Namespace): Arguments of the tool.
    """
    for split in args.splits:
        target = args.data_root / converter.ANNOTATIONS.format(split)
        if target.exists() and not args.overwrite:
            print(
                f'{target}: converted before, left alone (--overwrite '
                'converts it again)'
            )
            continue
        converter.convert(args.data_root, split, args.nproc)


def check(recipe: Recipe, args: argparse.Namespace) -> None:
    """Check the dataset; exit with status 1 if it has errors."""
    root = f'{args.data_root / recipe.checked}/'
    check_dataset.main([
        str(ROOT / 'configs' / recipe.config),
        '--nproc', str(args.nproc),
        '--splits', *args.splits,
        '--cfg-options', *(f'{split}_dataloader.dataset.data_root={root}'
                           for split in args.splits)
    ])  # yapf: disable


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('name', choices=RECIPES, help='the dataset')
    parser.add_argument(
        'sources',
        nargs='*',
        type=Path,
        help='downloaded archives, files or folders; none if all is in place',
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        help='folder to make (default: that of the configs, such as '
        'data/youtube_vis_2019)',
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=('train', 'val'),
        help='splits to prepare and check (default: all that the '
        'configs read)',
    )
    parser.add_argument(
        '--with-gt',
        action='store_true',
        help='YouTube-VIS and OVIS: keep the annotations of the validation '
        'set, if you have them, to compute AP',
    )
    parser.add_argument('--nproc', type=int, default=os.cpu_count())
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace files that exist with another size, and convert again',
    )
    args = parser.parse_args(args)
    recipe = RECIPES[args.name]
    args.data_root = args.data_root or Path(recipe.folder)
    args.splits = args.splits or list(recipe.needs)
    if args.nproc < 1:
        parser.error(f'--nproc must be 1 or more, got {args.nproc}')
    for split in args.splits:
        if split not in recipe.needs:
            parser.error(f'{args.name} has no split "{split}".{recipe.note}')
    return args


@report_errors('prepare_dataset', ValueError)
def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    recipe = RECIPES[args.name]
    unpack(recipe, args)
    if recipe.version is not None:
        convert_instances(recipe.version, args)
    elif args.name == 'vipseg':
        convert_vipseg(args)
    elif args.name in CONVERTERS:
        convert_in_place(CONVERTERS[args.name], args)
    check(recipe, args)


if __name__ == '__main__':
    main()
