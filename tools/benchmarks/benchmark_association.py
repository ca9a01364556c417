# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Time that linking a clip to the clips before it takes.

    python tools/benchmarks/benchmark_association.py [--num-queries 128] \
        [--num-objects 30]

The time includes reading the cues and matching, but not permuting the
prediction. Each row also has the time of the paper's association, from
embeddings alone, of the same run. The clips show the same objects, whose masks
are smooth random masks at stride 4 of 769 x 1345 frames; the queries beyond
the objects show none. The last row of each kind is the recommended setting.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple

from projects.maxtron.engine.cli import positive_int
from projects.maxtron.models.association import QueryAssociation
from projects.maxtron.structures import ClipPrediction

import torch
import torch.nn.functional as F
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

from tools.benchmarks.cli import (
    Column,
    Table,
    make_parser,
    print_rows,
    write_json,
)
from tools.benchmarks.measuring import median_times

MASK_SIZE = (193, 337)
FRAME_SIZE = (769, 1345)


class Case(NamedTuple):
    """A case of the benchmark.

    Attributes:
        name (str): Name of the row.
        mask_activation (str): See :class:`ClipSegmenter`.
        settings (dict): Arguments of :class:`QueryAssociation`.
    """

    name: str
    mask_activation: str
    settings: dict


_MASKS = dict(class_weight=1.0, overlap_weight=1.0)
_ROBUST = (
    Path(__file__).parents[2] / 'configs/_base_/models/association_robust.py'
)
CASES = [
    Case(f'{name}, {activation}', activation, settings)
    for activation in ('softmax', 'sigmoid')
    for name, settings in (
        ('class', dict(class_weight=1.0)),
        ('class, overlap', _MASKS),
        ('class, overlap, memory', dict(_MASKS, memory={})),
        ('class, overlap, motion', dict(_MASKS, motion=True)),
        ('association_robust.py', Config.fromfile(_ROBUST).association),
    )
]


def make_clips(
    num_queries: int, num_objects: int, device: str
) -> list[ClipPrediction]:
    """Make two clips of two frames.

    They show the same objects. The masks move by one pixel per frame, and
    embeddings of an object have a cosine similarity of about 0.5.
    """
    generator = torch.manual_seed(0)
    randn = partial(torch.randn, generator=generator)
    coarse = randn(1, num_queries, 7, 12)
    mask = F.interpolate(coarse, MASK_SIZE, mode='bicubic') - 1.0
    embeds = randn(1, num_queries, 256)
    cls_logits = 4 * randn(1, num_queries, 125)
    cls_logits[:, num_objects:, -1] += 30
    frame = torch.rand(3, *FRAME_SIZE, generator=generator)
    clips = []
    for start in (0, 2):
        order = torch.randperm(num_queries, generator=generator)
        masks = [mask.roll(start + t, -1) for t in range(2)]
        noisy = embeds + randn(1, num_queries, 256)
        clips.append(
            ClipPrediction(
                *(
                    x[:, order].to(device)
                    for x in (cls_logits, torch.stack(masks, 2), noisy, noisy)
                ),
                frames=torch.stack([frame, frame])[None].to(device),
            )
        )
    return clips


@torch.no_grad()
def benchmark_case(
    args: argparse.Namespace, clips: list[ClipPrediction], case: Case
) -> dict:
    """Measure one case and the paper's association."""
    functions = []
    for settings in (case.settings, {}):
        association = TASK_UTILS.build(
            dict(
                dict(type='QueryAssociation'),
                mask_activation=case.mask_activation,
                **settings,
            )
        )
        functions.append(partial(_link, association, clips))
    # Each call links both clips to those before.
    ours, paper = (
        time / len(clips)
        for time in median_times(functions, args.seconds, args.device != 'cpu')
    )
    return dict(
        case=case.name, paper_ms=paper, ours_ms=ours, ratio=ours / paper
    )


def _link(association: QueryAssociation, clips: list[ClipPrediction]) -> None:
    for clip in clips:
        association.match(association.read(clip).clip(0))


TABLE = Table(
    [
        Column('cues beside embeddings', 'case', 's'),
        Column('embeddings alone ms', 'paper_ms', '.2f'),
        Column('with cues ms', 'ours_ms', '.2f'),
        Column('ratio', 'ratio', '.1f'),
    ],
    dict(case=34),
)


def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    parser = make_parser(__doc__, threads=1)
    parser.add_argument('--num-queries', type=positive_int, default=128)
    parser.add_argument(
        '--num-objects',
        type=positive_int,
        default=30,
        help='queries that show an object (default: 30)',
    )
    parser.add_argument(
        '--seconds', type=float, default=1.0, help='time per measurement'
    )
    parsed = parser.parse_args(args)
    torch.set_num_threads(parsed.threads)
    clips = make_clips(parsed.num_queries, parsed.num_objects, parsed.device)
    rows = [partial(benchmark_case, parsed, clips, case) for case in CASES]
    write_json(parsed, rows=print_rows(TABLE, rows))


if __name__ == '__main__':
    main()
