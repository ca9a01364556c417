# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare the panoptic merge with a naive implementation of its rules.

    python tools/benchmarks/benchmark_panoptic_merge.py [--json FILE]

The videos have the canvas of VIPSeg (769x1345). For both forms the table has
the time, the peak memory beyond the input logits, and their ratios. It also
has the number of pixels that differ, the number of ties, and the number of
pixels that differ without a tie. A tie is a probability within 1e-6 of the
threshold, so that a rounding error decides.
"""

import argparse
import math
from typing import NamedTuple

from projects.maxtron.models.postprocess import PanopticMerger
from projects.maxtron.testing import find_ties, naive_merge, resize_logits
from projects.maxtron.testing.naive_merge import Shape

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.benchmarks.cli import Column, Table
from tools.benchmarks.comparison import (
    compare,
    make_parser,
    measure_workload,
    run_cases,
)
from tools.benchmarks.measuring import in_new_process


class Case(NamedTuple):
    """Size of one measurement."""

    name: str
    num_frames: int
    img_shape: Shape  # size of the resized image without padding
    ori_shape: Shape


CASES = [
    Case('T=4 720x1280', 4, (720, 1280), (720, 1280)),
    Case('T=1 1080x1920', 1, (757, 1345), (1080, 1920)),
    Case('T=48 720x1280', 48, (720, 1280), (720, 1280)),
]
INPUT_SHAPE = (769, 1345)
MASK_SHAPE = (193, 337)
NUM_CLASSES = 124
THING_LABELS = range(0, NUM_CLASSES, 2)
# Thresholds of the published R50 and ConvNeXt configs.
THRESHOLDS = {
    'r50': dict(pixel_thr=0.3, thing_thr=0.2, stuff_thr=0.3, overlap_thr=0.8),
    'convnext': dict(
        pixel_thr=0.4, thing_thr=0.7, stuff_thr=0.5, overlap_thr=0.8
    ),
}


def make_logits(
    num_queries: int, num_segments: int, num_frames: int
) -> tuple[Tensor, Tensor]:
    """Make logits like those of a trained model: smooth, with some noise.

    Args:
        num_queries (int): Number of queries N.
        num_segments (int): Number of queries with a class and a region of
            high logits. The other queries have low logits.
        num_frames (int): Number of frames T.

    Returns:
        tuple[Tensor, Tensor]: Mask logits with shape (N, T, 193, 337) and
        class logits with shape (N, 125).
    """
    generator = torch.manual_seed(0)
    masks = torch.empty(num_queries, num_frames, *MASK_SHAPE)
    coarse = max(num_frames // 8, 2)
    for query, mask in enumerate(masks):
        field = torch.randn(1, 1, coarse, 7, 12, generator=generator)
        field = F.interpolate(
            field, mask.shape, mode='trilinear', align_corners=True
        )[0, 0]
        scale, offset = (8, 4) if query < num_segments else (3, -6)
        mask.copy_(field).mul_(scale).add_(offset)
        mask.add_(torch.randn(mask.shape, generator=generator), alpha=0.3)
    classes = torch.randn(num_queries, NUM_CLASSES + 1, generator=generator)
    classes[:, -1] += 7
    labels = torch.randint(
        0, NUM_CLASSES, (num_segments,), generator=generator
    )
    classes[range(num_segments), labels] += 12
    return masks, classes


class Workload:
    """Runs one case in both forms."""

    def __init__(self, case: Case, args: argparse.Namespace) -> None:
        self.shapes = (INPUT_SHAPE, case.img_shape, case.ori_shape)
        self.thresholds = THRESHOLDS[args.thresholds]
        self.masks, self.classes = (
            logits.to(args.device)
            for logits in make_logits(
                args.num_queries, args.num_segments, case.num_frames
            )
        )

    def ours(self):
        """Run the project's merge, two frames at a time as in a video."""
        merger = PanopticMerger(THING_LABELS, NUM_CLASSES, **self.thresholds)
        for clip in self.masks.split(2, 1):
            merger.update(clip, *self.shapes)
        return merger.merge(self.classes)

    def naive(self) -> Tensor:
        """Run the naive merge."""
        return naive_merge(
            resize_logits(self.masks, *self.shapes),
            self.classes,
            THING_LABELS,
            **self.thresholds,
        )

    def difference(self) -> dict[str, int]:
        """Count segments, pixels that differ, ties and unexplained pixels."""
        maps, segments = self.ours()
        actual = torch.from_numpy(np.stack([frame.decode() for frame in maps]))
        different = actual != self.naive().cpu()
        ties = torch.cat(
            [
                find_ties(
                    resize_logits(frame, *self.shapes),
                    self.thresholds['pixel_thr'],
                )
                for frame in self.masks.split(1, 1)
            ]
        ).cpu()
        return dict(
            segments=len(segments),
            different=int(different.sum()),
            ties=int(ties.sum()),
            unexplained=int((different & ~ties).sum()),
        )


def naive_size(case: Case, num_queries: int) -> int:
    """Predict the peak memory of the naive form in bytes.

    It has the resized logits, their softmax, the comparison with the threshold
    (as bytes and as floats), and the product of the last two.
    """
    resized = (
        INPUT_SHAPE if case.img_shape == case.ori_shape else (case.ori_shape)
    )
    floats = math.prod(resized) + 3.25 * math.prod(case.ori_shape)
    return int(4 * num_queries * case.num_frames * floats)


@torch.no_grad()
def measure(task: str, args: argparse.Namespace, case: Case, with_naive: bool):
    """Measure one quantity of a case; must run in a new process."""
    torch.set_num_threads(args.threads)
    is_cuda = args.device != 'cpu'
    # The first call allocates buffers of the libraries: do not count them.
    small = argparse.Namespace(**{**vars(args), 'num_queries': 2})
    small.num_segments = 1
    small = Workload(Case('', 1, (72, 128), (72, 128)), small)
    small.ours(), small.naive()
    workload = Workload(case, args)
    return measure_workload(task, workload, args.seconds, is_cuda, with_naive)


def benchmark_case(args: argparse.Namespace, case: Case) -> dict:
    """Measure one case."""
    size = naive_size(case, args.num_queries)
    with_naive = size < args.max_naive_gib * 2**30

    def run(task: str):
        return in_new_process(
            measure, task, args, case, with_naive, device=args.device
        )

    return dict(case=case.name, **compare(run, 's', 1e-3, with_naive))


TABLE = Table(
    [
        Column('case', 'case', 's'),
        Column('naive s', 'naive_s', '.2f'),
        Column('ours s', 'ours_s', '.2f'),
        Column('ratio', 'time_ratio', '.2f'),
        Column('naive MiB', 'naive_mib', '.0f'),
        Column('ours MiB', 'ours_mib', '.0f'),
        Column('ratio', 'memory_ratio', '.1f'),
        Column('segments', 'segments', 'd'),
        Column('different', 'different', 'd'),
        Column('ties', 'ties', 'd'),
        Column('unexplained', 'unexplained', 'd'),
    ],
    dict(case=14),
)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__, num_queries=128)
    parser.add_argument(
        '--thresholds', choices=tuple(THRESHOLDS), default='convnext'
    )
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    run_cases(parse_args(args), TABLE, CASES, benchmark_case)


if __name__ == '__main__':
    main()
