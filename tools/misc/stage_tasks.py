# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Rows and metrics of the comparisons of compare_stages.py."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
VPQ = {f'VPQ{suffix}': f'vps/VPQ{suffix}' for suffix in ('', '_Th', '_St')}
AP = {
    name: f'youtube_vis/segm_mAP{suffix}'
    for name, suffix in dict(AP='', AP50='_50', AP75='_75').items()
}


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        name (str): Name of the row.
        config (str): Path of the config below ``configs``.
        start (str, optional): Name of the row whose checkpoint the training
            starts from; None for random weights.
        variant (str): Suffix of the folder of a row that shares its config.
        model_options (tuple[str]): Changes of the model of the config, as for
            ``--cfg-options``.
        options (tuple[str]): Changes of the schedule.
        association (str): Association of the training, see compare_stages.
    """

    name: str
    config: str
    start: str | None = None
    variant: str = ''
    model_options: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    association: str = 'paper'

    @property
    def folder(self) -> str:
        """str: Name of the folder of the trainings."""
        return Path(self.config).stem + self.variant

    @property
    def num_iters(self) -> int:
        """int: Number of iterations of the training."""
        key = 'train_cfg.max_iters='
        for option in self.options:
            if option.startswith(key):
                return int(option.removeprefix(key))
        return _num_iters(self.config)


class Task(NamedTuple):
    """A comparison.

    Attributes:
        size (str): Size of the data, see ``make_synthetic.py``.
        rows (list[Row]): Rows of the table, each after its initial training.
        metrics (dict[str, str]): Key of the result of each column.
        things (str): Config of the data for a second test of a panoptic model,
            as a model of instances; '' for none.
    """

    size: str
    rows: list[Row]
    metrics: dict[str, str]
    things: str = ''

    @property
    def data(self) -> str:
        """str: Folder of the data."""
        return f'data/synthetic-{self.size}'


@cache
def _num_iters(config: str) -> int:
    return Config.fromfile(ROOT / 'configs' / config).train_cfg.max_iters


def _short_rows(
    baseline: str, model: str, data: str, schedules: list[str]
) -> list[Row]:
    """Make the rows of a short task; a schedule is batch and length."""
    near = 'maxtron/synthetic/maxtron-nearonline'
    names = (
        baseline,
        baseline,
        near,
        near,
        'maxtron/synthetic/maxtron-offline',
        'maxtron/synthetic/maxtron-e2e',
    )
    configs = [
        f'{name}_{model}_{schedule}_{data}.py'.replace('/_', '/')
        for name, schedule in zip(names, schedules)
    ]
    start, first = 'start: baseline', 'near-online, stage 1'
    return [
        Row(start, configs[0]),
        Row('baseline', configs[1], start),
        Row(first, configs[2], start),
        Row('near-online', configs[3], first),
        Row('offline', configs[4], first),
        Row('end-to-end', configs[5], first),
    ]


def _bench_rows() -> list[Row]:
    """Make the rows of the paper's protocol: images, clips, videos.

    "Clips" is a training on clips from a model of images. A row of the same
    name continues it for as many iterations as offline and end-to-end have.
    "Aligned" is a training of the tracker on queries that the robust
    association has aligned. "Zero" is a tracker that starts by passing the
    queries on.
    """
    near, data = 'maxtron/synthetic/maxtron', 'synthetic-bench-vps'
    near_online = f'{near}-nearonline_video-kmax_tiny_1xb4-4k_{data}.py'
    more = (
        'train_cfg.max_iters=2000',
        'train_cfg.val_interval=500',
        'param_scheduler.0.warmup_iters=20',
        'optim_wrapper.optimizer.lr=5e-4',
    )

    def clips(name, start, config, variant='', model_options=()):
        first = Row(f'{name}, clips', config, start, variant, model_options)
        return [
            first,
            Row(
                name, config, first.name, f'{variant}-2k', model_options, more
            ),
        ]

    def tracker(mode, name, *changes):
        return Row(
            ', '.join((name, *changes)),
            f'{near}-{mode}_video-kmax_tiny_1xb2-2k_{data}.py',
            'near-online, clips',
            ''.join(f'-{change}' for change in changes),
            zero if 'zero' in changes else (),
            association='robust' if 'aligned' in changes else 'paper',
        )

    kmax, msda = 'kMaX, images', 'kMaX with MSDeformAttn, images'
    zero = ('model.head.tracker.zero_init_residual=True',)
    spatial = ('model.neck.temporal_cfg.num_layers=0',)
    return [
        Row(kmax, f'kmax/synthetic/kmax_tiny_1xb8-3k_{data}.py'),
        *clips(
            'Video-kMaX',
            kmax,
            f'video_kmax/synthetic/video-kmax_tiny_1xb4-4k_{data}.py',
        ),
        Row(msda, f'kmax/synthetic/kmax-msda_tiny_1xb8-3k_{data}.py'),
        *clips('near-online', msda, near_online),
        tracker('offline', 'offline'),
        tracker('offline', 'offline', 'zero'),
        tracker('offline', 'offline', 'aligned'),
        tracker('offline', 'offline', 'aligned', 'zero'),
        tracker('e2e', 'end-to-end', 'aligned', 'zero'),
        *clips('MSDeformAttn alone', msda, near_online, '-msda', spatial),
    ]


TASKS = {
    'bench': Task(
        'bench',
        _bench_rows(),
        {
            **VPQ,
            **{f'VPQ_Th^{k}': f'vps/VPQ_{k}_Th' for k in (1, 6, 12, 20)},
            'STQ': 'vps/STQ',
            'ids kept': 'vps/ids_kept',
            'AP': AP['AP'],
        },
        '_base_/datasets/synthetic-bench_vis.py',
    ),
    'panoptic': Task(
        'association',
        _short_rows(
            'video_kmax/synthetic/',
            'video-kmax_tiny',
            'synthetic-association-vps',
            [
                '1xb4-1k',
                '1xb4-1k-650',
                '1xb4-400',
                '1xb4-400-250',
                '1xb2-250',
                '1xb3-250',
            ],
        ),
        {
            **VPQ,
            **{f'VPQ^{k}': f'vps/VPQ_{k}' for k in (1, 2, 4, 6)},
            'STQ': 'vps/STQ',
        },
    ),
    'instance': Task(
        'association',
        _short_rows(
            'tube_link/synthetic/',
            'tube-link_tiny',
            'synthetic-association-vis',
            [
                '1xb3-1200',
                '1xb3-1200-500',
                '1xb3-300',
                '1xb3-300-200',
                '1xb2-200',
                '1xb2-200',
            ],
        ),
        AP,
    ),
}
