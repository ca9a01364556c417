# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare VPQ with a naive evaluation, window by window.

    python tools/benchmarks/benchmark_vpq.py [--json FILE]

The benchmark writes synthetic videos and evaluates them both ways in this
process. It prints the times, their ratio, and the largest difference of any
count or sum of IoU. Times are CPU times, which other programs hardly change:
neither evaluation uses threads, and the files are in the cache of the system.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict

from projects.maxtron.evaluation.functional import (
    WINDOWS,
    TubeStats,
    count_tubes,
)
from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
)
from projects.maxtron.structures import write_id_map
from projects.maxtron.testing.naive_vpq import Stats, naive_window

import cv2
import numpy as np
from PIL import Image

from tools.benchmarks.cli import Column, Table, make_parser, write_json

NUM_CLASSES = 12
STUFF = range(6)


# ------------------------------------------------------ the naive algorithm
def naive_vpq(folder: str, window: int) -> Stats:
    """Evaluate all windows of all videos, each from its pixels.

    Args:
        folder (str): With gt.json, gt, pred.json and pred.
        window (int): Number of frames.

    Returns:
        dict: ``iou``, ``tp``, ``fp`` and ``fn`` by category.
    """
    gt, pred = (_read_json(folder, side) for side in ('gt', 'pred'))
    stats: Stats = defaultdict(lambda: dict(iou=0.0, tp=0, fp=0, fn=0))
    for video in gt['videos']:
        name = video['video_id']
        frames = [
            (
                g['segments_info'],
                p['segments_info'],
                *(
                    np.array(Image.open(f'{folder}/{side}/{name}/{file}'))
                    for side in ('gt', 'pred')
                ),
            )
            for g, p, file in zip(
                gt[name],
                pred[name],
                (image['file_name'] for image in video['images']),
            )
        ]
        for start in range(len(frames) - window + 1):
            naive_window(frames[start : start + window], stats)
    return stats


def _read_json(folder: str, side: str) -> dict:
    """Read a JSON file and find annotations by video."""
    with open(f'{folder}/{side}.json') as file:
        content = json.load(file)
    content.update(
        {
            video['video_id']: video['annotations']
            for video in content['annotations']
        }
    )
    return content


# --------------------------------------------------------------------- ours
def our_vpq(folder: str, windows: list[int]) -> dict[int, TubeStats]:
    """Evaluate like tools/analysis_tools/eval_vpq.py.

    Args:
        folder (str): With gt.json, gt, pred.json and pred.
        windows (list[int]): Numbers of frames.

    Returns:
        dict[int, TubeStats]: Stats by window.
    """
    categories, videos = list_videos(
        f'{folder}/pred',
        f'{folder}/pred.json',
        f'{folder}/gt',
        f'{folder}/gt.json',
    )
    counts = [count_video(video) for video in videos]
    zero = TubeStats.zeros(len(categories))
    return {
        k: sum(
            (count_tubes(video, k, len(categories)) for video in counts), zero
        )
        for k in windows
    }


def largest_difference(naive: Stats, ours: TubeStats) -> float:
    """Find the largest difference of counts and sums of IoU."""
    return max(
        abs(naive[category][key] - getattr(ours, key)[category])
        for category in range(len(ours.tp))
        for key in naive[category]
    )


# --------------------------------------------------------------------- data
def write_videos(folder: str, args: argparse.Namespace) -> None:
    """Write ground truth and predictions of moving cells.

    Args:
        folder (str): Folder for gt.json, gt, pred.json and pred.
        args (Namespace): ``videos``, ``frames``, ``segments``, ``height``,
            ``width``.
    """
    rng = np.random.default_rng(0)
    files: dict[str, dict] = {
        side: dict(
            videos=[],
            annotations=[],
            categories=[
                dict(id=i, name=str(i), isthing=int(i not in STUFF))
                for i in range(NUM_CLASSES)
            ],
        )
        for side in ('gt', 'pred')
    }
    for v in range(args.videos):
        name = f'video_{v}'
        scene = _Scene(rng, args)
        images = [
            dict(
                id=f'{t:05d}',
                width=args.width,
                height=args.height,
                file_name=f'{t:05d}.png',
            )
            for t in range(args.frames)
        ]
        for side, content in files.items():
            os.makedirs(f'{folder}/{side}/{name}')
            frames = []
            for t, image in enumerate(images):
                id_map, segments = scene.frame(t, side == 'pred')
                write_id_map(
                    f'{folder}/{side}/{name}/{image["file_name"]}', id_map
                )
                frames.append(
                    dict(file_name=image['file_name'], segments_info=segments)
                )
            content['annotations'].append(
                dict(video_id=name, annotations=frames)
            )
            content['videos'].append(dict(video_id=name, images=images))
    for side, content in files.items():
        with open(f'{folder}/{side}.json', 'w') as file:
            json.dump(content, file)


class _Scene:
    """Moving cells with wavy borders; the first is void, the next a crowd.

    Args:
        rng (np.random.Generator): Source of randomness.
        args (Namespace): See :func:`write_videos`.
    """

    def __init__(
        self, rng: np.random.Generator, args: argparse.Namespace
    ) -> None:
        self.size = np.array([args.height, args.width])
        count = args.segments + 1
        self.start = rng.uniform(size=(count, 2)) * self.size
        self.speed = rng.normal(size=(count, 2)) * 2
        self.jitter = rng.normal(size=(count, 2)) * self.size / 120
        self.ids = rng.choice(np.arange(1, 1 << 24), count, replace=False)
        self.categories = rng.integers(0, NUM_CLASSES, count)
        self.wrong = self.categories.copy()
        self.wrong[::7] = (self.wrong[::7] + 1) % NUM_CLASSES
        waves = rng.normal(size=(2, *self.size)).astype(np.float32)
        scale = args.height / 60
        ys, xs = np.indices(self.size, np.float32)
        dx, dy = (
            25 * scale * cv2.GaussianBlur(w, (0, 0), scale) for w in waves
        )
        self.warp = xs + dx, ys + dy

    def frame(self, t: int, is_pred: bool) -> tuple[np.ndarray, list[dict]]:
        """Make the ids and segments of a frame.

        Args:
            t (int): Number of the frame.
            is_pred (bool): Whether the frame is a prediction.

        Returns:
            tuple: Ids, (H, W), uint32, and the segments.
        """
        points = self.start + t * self.speed + is_pred * self.jitter
        ys, xs = np.clip(points, 0, self.size - 1).astype(int).T
        image = np.ones(self.size, np.uint8)
        image[ys, xs] = 0
        _, nearest = cv2.distanceTransformWithLabels(
            image, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        cell_of = np.zeros(nearest.max() + 1, np.uint16)
        cell_of[nearest[ys, xs]] = np.arange(len(ys))
        cells = cv2.remap(
            cell_of[nearest],
            *self.warp,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE,
        )
        ids = self.ids.astype(np.uint32)
        if not is_pred:
            ids[0] = 0
        areas = np.bincount(cells.ravel(), minlength=len(ids)).tolist()
        categories = self.wrong if is_pred else self.categories
        return ids[cells], [
            dict(
                id=int(ids[i]),
                category_id=int(categories[i]),
                area=area,
                iscrowd=int(i == 1 and not is_pred),
            )
            for i, area in enumerate(areas)
            if area and ids[i]
        ]


# ------------------------------------------------------------- measurements
def benchmark(folder: str) -> list[dict]:
    """Time both evaluations.

    Args:
        folder (str): See :func:`write_videos`.

    Returns:
        list[dict]: One row per window, and one for all windows.
    """
    our_vpq(folder, [1])  # Read the files into the system's cache.
    rows, naive_s, difference = [], 0.0, 0.0
    for windows in (*([k] for k in WINDOWS), list(WINDOWS)):
        start = time.process_time()
        ours = our_vpq(folder, windows)
        row = dict(windows=windows, ours_s=time.process_time() - start)
        if len(windows) == 1:
            start = time.process_time()
            naive = naive_vpq(folder, *windows)
            row['naive_s'] = time.process_time() - start
            row['difference'] = largest_difference(naive, ours[windows[0]])
            naive_s += row['naive_s']
            difference = max(difference, row['difference'])
        else:  # The naive evaluation runs once per window.
            row.update(naive_s=naive_s, difference=difference)
        row['ratio'] = row['naive_s'] / row['ours_s']
        rows.append(row)
        print(TABLE.row(dict(row, windows=' '.join(map(str, windows)))))
    return rows


TABLE = Table(
    [
        Column('windows', 'windows', 's'),
        Column('naive s', 'naive_s', '.2f'),
        Column('ours s', 'ours_s', '.2f'),
        Column('ratio', 'ratio', '.1f'),
        Column('max diff', 'difference', '.1e'),
    ],
    dict(windows=10),
)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__, threads=1)
    parser.add_argument('--videos', type=int, default=4)
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--segments', type=int, default=30)
    parser.add_argument('--height', type=int, default=720)
    parser.add_argument('--width', type=int, default=1280)
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Write the data, run and print all measurements."""
    args = parse_args(args)
    cv2.setNumThreads(args.threads)
    print(
        f'{args.videos} videos x {args.frames} frames, {args.height} x '
        f'{args.width}, {args.segments} segments; one process each'
    )
    print(TABLE.header(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write_videos(folder, args)
        rows = benchmark(folder)
    write_json(args, rows=rows)


if __name__ == '__main__':
    main()
