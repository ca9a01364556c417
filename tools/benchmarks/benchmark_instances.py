# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare the encoding of instance masks with its plain form.

    python tools/benchmarks/benchmark_instances.py [--json FILE]

The plain form resizes the masks of all queries and encodes them by
pycocotools. This project resizes only masks that have pixels, and finds the
run lengths with PyTorch and NumPy. The table has time, peak memory beyond the
logits, their ratios, the number of masks that are not empty, and the number
of strings that differ.
"""

import argparse
from typing import NamedTuple

from projects.maxtron.models.postprocess import encode_clip, resize_mask_logits

import numpy as np
import torch
from pycocotools import mask as mask_utils

from tools.benchmarks.cli import Column, Table
from tools.benchmarks.comparison import (
    compare,
    make_parser,
    measure_workload,
    run_cases,
)
from tools.benchmarks.measuring import in_new_process
from tools.benchmarks.synthetic_predictions import SyntheticPredictions


class Case(NamedTuple):
    """Size of one measurement."""

    name: str
    mask_shape: tuple[int, int]
    input_shape: tuple[int, int]
    img_shape: tuple[int, int]


CASES = [
    Case('384x640', (96, 160), (384, 640), (360, 640)),
    Case('800x1376', (200, 344), (800, 1376), (774, 1376)),
]
ORI_SHAPE = (720, 1280)
CHUNK_SIZE = 16


class Workload:
    """Encodes one frame in both forms."""

    def __init__(self, case: Case, args: argparse.Namespace) -> None:
        self.shapes = (case.input_shape, case.img_shape, ORI_SHAPE)
        masks = torch.empty(1, args.num_queries, 1, *case.mask_shape)
        SyntheticPredictions(args.num_segments).replace_masks(masks)
        # Segments cover about a tenth of the frame each, others nothing.
        self.masks = (masks[0] + 2).to(args.device)  # (Q, 1, h, w)

    def ours(self) -> list[dict]:
        """Encode the masks that have pixels."""
        (frame,) = encode_clip(self.masks, *self.shapes)
        return frame.rles

    def naive(self) -> list[dict]:
        """Encode all masks."""
        rles: list[dict] = []
        for chunk in self.masks[:, 0].split(CHUNK_SIZE):
            logits = resize_mask_logits(chunk, *self.shapes)
            masks = logits > 0
            logits.sigmoid().mul_(masks).flatten(1).sum(1)
            columns = masks.transpose(1, 2).contiguous().cpu().numpy()
            rles += mask_utils.encode(
                columns.view(np.uint8).transpose(2, 1, 0)
            )
        mask_utils.area(rles), mask_utils.toBbox(rles)
        return rles

    def difference(self) -> dict[str, int]:
        """Count the masks that are not empty, and strings that differ."""
        ours, naive = self.ours(), self.naive()
        return dict(
            masks=int((mask_utils.area(naive) > 0).sum()),
            different=sum(a != b for a, b in zip(ours, naive, strict=True)),
        )


@torch.no_grad()
def measure(task: str, args: argparse.Namespace, case: Case):
    """Measure one quantity of a case; must run in a new process."""
    torch.set_num_threads(args.threads)
    is_cuda = args.device != 'cpu'
    return measure_workload(
        task, Workload(case, args), args.seconds, is_cuda, with_naive=True
    )


def benchmark_case(args: argparse.Namespace, case: Case) -> dict:
    """Measure one case."""

    def run(task: str):
        return in_new_process(measure, task, args, case, device=args.device)

    return dict(case=case.name, **compare(run, 'ms', 1, with_naive=True))


TABLE = Table(
    [
        Column('input', 'case', 's'),
        Column('plain ms', 'naive_ms', '.0f'),
        Column('ours ms', 'ours_ms', '.0f'),
        Column('ratio', 'time_ratio', '.2f'),
        Column('plain MiB', 'naive_mib', '.0f'),
        Column('ours MiB', 'ours_mib', '.0f'),
        Column('ratio', 'memory_ratio', '.1f'),
        Column('masks', 'masks', 'd'),
        Column('different', 'different', 'd'),
    ],
    dict(case=9),
)


def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    options = make_parser(__doc__, num_queries=100).parse_args(args)
    run_cases(options, TABLE, CASES, benchmark_case)


if __name__ == '__main__':
    main()
