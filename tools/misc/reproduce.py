# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reproduce the published values of released weights.

    python tools/misc/reproduce.py maxtron-nearonline_video-kmax_r50_vipseg

The tool downloads the weights, checks the dataset, tests the weights on it,
and prints published and measured values side by side. It keeps them in a JSON
file, as a row for the model zoo. Test sets without public annotations only
yield a submission for their server.
"""

import argparse
import os
import time
from pathlib import Path

from projects.maxtron.engine.cli import add_cfg_options, report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.utils import dump_json
from projects.maxtron.version import __version__
from projects.maxtron.weights import (
    ReleasedWeights,
    find_model_weights,
    resolve,
)

import mmdet
import mmengine
import torch
from mmengine.config import Config
from terminaltables import AsciiTable

from tools.misc.check_dataset import check_splits
from tools.runner_cli import check_sections, read_config, run_test

# Names of a metric in our evaluation, with their unit in percent.
MEASURED = {
    'AP': ('youtube_vis/segm_mAP', 100),
    'AP_all': ('youtube_vis/segm_mAP_all', 100),
    'PQ': ('coco_panoptic/PQ', 1),
    'VPQ': ('vps/VPQ', 1),
    **{f'VPQ^{k}': (f'vps/VPQ_{k}', 1) for k in (1, 2, 4, 6)},
    'STQ': ('vps/STQ', 100),
    'mask AP': ('coco/segm_mAP', 100),
}


def parse_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    parser.add_argument('name', help='name of the released weights')
    parser.add_argument(
        '--weights',
        help='file or URL of the weights (default: that of the registry)',
    )
    parser.add_argument(
        '--work-dir',
        help='folder for logs and predictions (default: work_dirs/NAME)',
    )
    parser.add_argument(
        '--out',
        help='JSON file for the row (default: WORK_DIR/reproduced.json)',
    )
    parser.add_argument(
        '--no-check',
        action='store_true',
        help='do not check the dataset before the test',
    )
    add_cfg_options(parser)
    args = parser.parse_args()
    args.launcher, args.local_rank = 'none', 0
    args.work_dir = args.work_dir or os.path.join('work_dirs', args.name)
    args.out = args.out or os.path.join(args.work_dir, 'reproduced.json')
    return args


def check_data(cfg: Config) -> None:
    """Check the test split; end the program if it has errors."""
    options = argparse.Namespace(
        splits=['test'],
        max_errors=20,
        sample=1000,
        full=False,
        nproc=os.cpu_count(),
    )
    if num_errors := check_splits(cfg, options):
        raise InputError(
            f'The dataset has {num_errors} error(s), see above. docs/data.md '
            'tells how to prepare it; --no-check tests it as it is.'
        )


def make_row(
    entry: ReleasedWeights, values: dict[str, float], weights: Path
) -> dict:
    """Put published and measured values side by side.

    Args:
        entry (ReleasedWeights): Entry of the registry.
        values (dict[str, float]): Results of the test.
        weights (Path): File of the weights.

    Returns:
        dict: The row, for JSON. ``metrics`` has ``published`` and
        ``measured`` by name, in percent; None: not measured.
    """
    metrics = {}
    for name, published in entry.metrics.items():
        key, factor = MEASURED.get(name, (name, 1))
        value = values.get(key)
        metrics[name] = dict(
            published=published,
            measured=None if value is None else round(factor * value, 3),
        )
    return dict(
        name=entry.name,
        config=entry.config,
        weights=entry.link,
        file=weights.name,
        dataset=entry.dataset,
        metrics=metrics,
        date=time.strftime('%Y-%m-%d'),
        device=torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else 'CPU',
        versions=dict(
            maxtron=__version__,
            torch=torch.__version__,
            mmengine=mmengine.__version__,
            mmdet=mmdet.__version__,
        ),
    )


def format_table(row: dict) -> str:
    """Make a table of the published and measured values."""
    lines = [['Metric', 'Published', 'Measured', 'Difference']]
    for name, value in row['metrics'].items():
        published, measured = value['published'], value['measured']
        cells = ['-', '-']
        if measured is not None:
            cells = [f'{measured:.2f}', f'{measured - published:+.2f}']
        lines.append([name, f'{published:g}', *cells])
    return AsciiTable(lines, f'{row["name"]} on {row["dataset"]}').table


@report_errors('reproduce')
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    args = parse_args(parser)
    entry = find_model_weights(args.name)
    args.config = os.fspath(entry.config_path)
    cfg = read_config(parser, args)
    check_sections(cfg, 'test')
    weights, _ = resolve(args.weights or entry.name)
    print(f'Weights: {weights}')
    if entry.note:
        print(f'Note: {entry.note}')
    if not args.no_check:
        check_data(cfg)
    row = make_row(entry, run_test(cfg, os.fspath(weights)), weights)
    dump_json(row, args.out)
    print(format_table(row))
    if all(value['measured'] is None for value in row['metrics'].values()):
        print(
            'Nothing was measured: the annotations of this split are not '
            f'public. Submit the predictions in {args.work_dir} to the server '
            'of the dataset.'
        )
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
