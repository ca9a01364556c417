# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reduce a training checkpoint to the weights for inference.

python tools/model_converters/publish_model.py IN_FILE OUT_FILE [--half]
"""

import argparse
import os

from projects.maxtron.engine.cli import report_errors
from projects.maxtron.utils import atomic_path
from projects.maxtron.weights import load_any

import torch

KEPT_META = ('dataset_meta', 'seed', 'iter', 'mmengine_version')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('in_file', help='checkpoint of a training')
    parser.add_argument('out_file', help='checkpoint to write')
    parser.add_argument(
        '--half',
        action='store_true',
        help='store weights in half precision; a model loads them into its '
        'own precision',
    )
    return parser.parse_args()


@report_errors()
def main() -> None:
    args = parse_args()
    loaded = load_any(args.in_file)
    loaded.log(args.in_file)
    state = {
        key: value.half() if args.half and value.is_floating_point() else value
        for key, value in loaded.state_dict.items()
    }
    meta = {k: v for k, v in loaded.meta.items() if k in KEPT_META}
    with atomic_path(args.out_file) as part:
        torch.save(dict(meta=meta, state_dict=state), part)
    size = os.path.getsize(args.out_file) / 1e6
    print(f'Wrote {args.out_file}: {size:.2f} MB, {len(state)} tensors')


if __name__ == '__main__':
    main()
