# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Convert KITTI-STEP to the layout that VIPSegDataset reads.

    python tools/dataset_converters/step_to_720p.py data/kitti_step

Read are images/SPLIT/SEQUENCE/FRAME.png and
panoptic_maps/SPLIT/SEQUENCE/FRAME.png: R is the class, 256 G + B the number of
the instance, and class 255 is void. Written are
panomasksRGB/SEQUENCE/FRAME.png and panoptic_gt_KITTI-STEP_SPLIT.json. An id is
R + 1 + 256 G + 65536 B, and 0 is void. A thing without a number is a crowd.
Images are left as they are.
"""

import argparse
import os
import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from projects.maxtron.datasets.kitti_step import KITTI_STEP_CATEGORIES
from projects.maxtron.datasets.vipseg_layouts import list_frames
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.structures import read_id_map, write_id_map
from projects.maxtron.utils import dump_json, natural_key

import numpy as np
from mmengine.utils import track_parallel_progress, track_progress

SPLITS = ('train', 'val')
ANNOTATIONS = 'panoptic_gt_KITTI-STEP_{}.json'
VOID = 255


class Job(NamedTuple):
    """Sequence to convert.

    Attributes:
        root (str): Folder of the dataset.
        split (str): Split of the sequence.
        name (str): Name of the sequence.
    """

    root: str
    split: str
    name: str


def convert_map(
    values: np.ndarray, is_thing: Sequence[bool], where: str
) -> tuple[np.ndarray, list[dict]]:
    """Convert a map and find its segments.

    Args:
        values (np.ndarray): R + 256 G + 65536 B of the published map, (h, w).
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        where (str): Name of the frame, for messages.

    Returns:
        tuple[np.ndarray, list[dict]]: Ids, (h, w), 0 for void, and segments
        with ``id``, ``category_id``, ``iscrowd`` and ``area``.

    Raises:
        ValueError: If a class does not exist.
    """
    found, inverse, areas = np.unique(
        values, return_inverse=True, return_counts=True
    )
    ids, segments = [], {}
    for value, area in zip(found.tolist(), areas.tolist()):
        label, instance = value & 255, value >> 8
        if label == VOID:
            ids.append(0)
            continue
        if label >= len(is_thing):
            raise ValueError(
                f'{where} has the class {label}, but classes are 0 to '
                f'{len(is_thing) - 1}, and {VOID} is void.'
            )
        instance = instance if is_thing[label] else 0
        ids.append(label + 1 + 256 * instance)
        segment = segments.setdefault(
            ids[-1],
            dict(
                id=ids[-1],
                category_id=label,
                iscrowd=int(is_thing[label] and instance == 0),
                area=0,
            ),
        )
        segment['area'] += area
    table = np.array(ids, np.uint32)
    return table[inverse.reshape(values.shape)], list(segments.values())


def convert_sequence(job: Job) -> dict:
    """Convert the maps of a sequence.

    Args:
        job (Job): The sequence.

    Returns:
        dict: ``images`` and ``annotations`` of the JSON file.

    Raises:
        FileNotFoundError: If images and maps are not of the same frames.
        ValueError: If there is no frame, or a map is wrong.
    """
    folders = [
        osp.join(job.root, kind, job.split, job.name)
        for kind in ('images', 'panoptic_maps')
    ]
    images, maps = (list_frames(folder, '.png') for folder in folders)
    if not maps:
        raise ValueError(f'sequence {job.name}: {folders[1]} has no maps.')
    for stem in sorted({*images} ^ {*maps}, key=natural_key):
        has, lacks = folders if stem in images else folders[::-1]
        raise FileNotFoundError(
            f'sequence {job.name}: frame {stem} is in {has}, but not in '
            f'{lacks}.'
        )
    is_thing = [bool(c['isthing']) for c in KITTI_STEP_CATEGORIES]
    record: dict[str, list] = dict(images=[], annotations=[])
    for stem in maps:
        path = osp.join(folders[1], f'{stem}.png')
        where = f'sequence {job.name}, frame {stem}'
        values = read_id_map(path, where)
        ids, segments = convert_map(values, is_thing, f'{where}: {path}')
        out = osp.join(job.root, 'panomasksRGB', job.name, f'{stem}.png')
        write_id_map(out, ids)
        height, width = ids.shape
        name = dict(file_name=f'{stem}.png')
        record['images'].append(
            dict(name, id=stem, height=height, width=width)
        )
        record['annotations'].append(
            dict(name, image_id=stem, segments_info=segments)
        )
    return record


def convert(root: Path, split: str, nproc: int) -> None:
    """Convert the sequences of a split.

    Args:
        root (Path): Folder of the dataset.
        split (str): 'train' or 'val'.
        nproc (int): Number of processes.

    Raises:
        FileNotFoundError: If there is no sequence.
    """
    folder = root / 'panoptic_maps' / split
    names = sorted(p.name for p in folder.glob('*') if p.is_dir())
    if not names:
        raise FileNotFoundError(
            f'{folder} has no sequences. Is {root} the folder of KITTI-STEP?'
        )
    jobs = [Job(str(root), split, name) for name in names]
    print(f'{split}: {len(jobs)} sequence(s)')
    if nproc == 1:
        records = track_progress(convert_sequence, jobs)
    else:
        records = track_parallel_progress(
            convert_sequence, jobs, nproc, keep_order=True
        )
    print()
    content: dict[str, list] = {
        top: [
            {'video_id': name, field: record[field]}
            for name, record in zip(names, records)
        ]
        for top, field in (('videos', 'images'), ('annotations',) * 2)
    }
    dump_json(
        dict(content, categories=KITTI_STEP_CATEGORIES),
        root / ANNOTATIONS.format(split),
    )


@report_errors('step_to_720p', ValueError)
def main(args: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'root', type=Path, help='folder with images/ and panoptic_maps/'
    )
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument('--nproc', type=int, default=os.cpu_count())
    parsed = parser.parse_args(args)
    if parsed.nproc < 1:
        parser.error(f'--nproc must be 1 or more, got {parsed.nproc}')
    for split in parsed.splits:
        convert(parsed.root, split, parsed.nproc)


if __name__ == '__main__':
    main()
