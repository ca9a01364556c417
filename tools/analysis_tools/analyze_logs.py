# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Run MMDetection's analyze_logs.py on trainings by iteration.

    python tools/analysis_tools/analyze_logs.py cal_train_time LOG.json [...]
    python tools/analysis_tools/analyze_logs.py plot_curve LOG.json [...]
        --keys loss [...] --out CURVE.png

The commands and options are MMDetection's. LOG is a
WORK_DIR/TIMESTAMP/vis_data/scalars.json. MMDetection's tool draws evaluations
over epochs. This tool draws them over iterations
(--keys VPQ, --keys segm_mAP).
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from projects.maxtron.engine.cli import report_errors

from tools.analysis_tools.training_logs import read_log


def load_tool() -> ModuleType:
    """Load the installed tool of MMDetection.

    Raises:
        ImportError: If the tool or Matplotlib is not installed.
    """
    package = Path(importlib.util.find_spec('mmdet').origin).parent
    path = package / '.mim/tools/analysis_tools/analyze_logs.py'
    if not path.exists():
        raise ImportError(f'MMDetection has not installed {path}.')
    spec = importlib.util.spec_from_file_location('mmdet_analyze_logs', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def by_evaluation(path: str, log_dict: dict, keys: list) -> dict:
    """Convert each evaluation to an "epoch", numbered by its iteration.

    Args:
        path (str): The log.
        log_dict (dict): The log in the format of MMDetection's tool. It is
            returned if no key is a metric of an evaluation.
        keys (list[str]): Values to draw.

    Returns:
        dict: The log by "epoch", in the format of MMDetection's tool.
    """
    evaluations = {
        step: {
            'step': [step],
            **{key.split('/')[-1]: [value] for key, value in metrics.items()},
        }
        for step, metrics in read_log(Path(path)).evaluations.items()
    }
    evaluated = {key for x in evaluations.values() for key in x} - {'step'}
    if not evaluated.intersection(keys):
        return log_dict
    if not evaluated.issuperset(keys):
        sys.exit(
            'error: draw metrics of evaluations in one plot and '
            f'{", ".join(sorted(set(keys) - evaluated))} in another.'
        )
    return evaluations


@report_errors('error', ValueError)
def main() -> None:
    try:
        tool = load_tool()
    except ImportError as error:
        sys.exit(f'error: {error} (pip install -r requirements/optional.txt)')
    parse_args, plot_curve = tool.parse_args, tool.plot_curve
    label = tool.plt.xlabel

    def parse():
        args = parse_args()
        # Seaborn's default style, which OneDL's tool still sets without
        # Seaborn.
        if vars(args).get('style') == 'dark' and not hasattr(tool, 'sns'):
            args.style = 'default'
        return args

    def plot(log_dicts, args):
        tool.plt.xlabel = lambda _: label('iter')
        plot_curve(
            [
                by_evaluation(*log, args.keys)
                for log in zip(args.json_logs, log_dicts)
            ],
            args,
        )

    tool.parse_args, tool.plot_curve = parse, plot
    tool.main()


if __name__ == '__main__':
    main()
