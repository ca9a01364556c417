# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Train the tracking modules alone on tasks that only tracking solves.

    python tools/analysis_tools/module_tasks.py [correspondence]
        [re-association] [--seeds 0 1 2] [--steps N] [--layers N ...]
        [--attentions NAME ...] [--frames N] [--json FILE]

"correspondence": within-clip tracking finds the same place of a moving texture
in all frames of a clip. "re-association": cross-clip tracking gives each
object one slot, although objects change slots, are missing and return. See
``tracking_tasks.py``. A run takes seconds to a minute on one CPU core. The
output is a Markdown table: accuracy in percent on new samples, mean and
standard deviation over the seeds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from projects.maxtron.engine.cli import positive_int
from projects.maxtron.utils import dump_json

import torch
import torch.nn.functional as F
from torch import Generator, nn

from tools.analysis_tools.tracking_tasks import (
    IGNORED,
    Correspondence,
    CorrespondenceModel,
    ReAssociation,
    ReAssociationModel,
)

BATCH_SIZE = 16
NUM_TESTED = 512  # samples
ATTENTIONS = {
    'axial-trajectory': 'axial_trajectory',
    'trajectory': 'trajectory',
    'self-attention': 'self_attention',
    'none': None,
}


class Job(NamedTuple):
    """A row of the table.

    Attributes:
        name (tuple[str]): First cells of the row: attention, for
            "re-association" whether there is Temporal-ASPP, and layers.
        task (Correspondence | ReAssociation): The task.
        model (type): Class of the model.
        args (tuple): Arguments of the model after the task.
    """

    name: tuple[str, ...]
    task: Correspondence | ReAssociation
    model: type[nn.Module]
    args: tuple


def correspondence_jobs(args: argparse.Namespace) -> Iterator[Job]:
    """Yield the rows of the task "correspondence"."""
    for num_layers in args.layers or [1]:
        for name, attn_type in ATTENTIONS.items():
            yield Job(
                (name, str(num_layers)),
                Correspondence(args.frames),
                CorrespondenceModel,
                (attn_type, num_layers),
            )


def re_association_jobs(args: argparse.Namespace) -> Iterator[Job]:
    """Yield the rows of the task "re-association"."""
    for attention in ('trajectory', 'self'):
        for with_aspp in (True, False):
            for num_layers in args.layers or [1, 2, 4, 6]:
                yield Job(
                    (attention, 'yes' if with_aspp else 'no', str(num_layers)),
                    ReAssociation(),
                    ReAssociationModel,
                    (attention, with_aspp, num_layers),
                )


TASKS = {
    'correspondence': correspondence_jobs,
    're-association': re_association_jobs,
}


def train(job: Job, seed: int, num_steps: int, lr: float = 4e-3) -> nn.Module:
    """Train a model.

    Args:
        job (Job): Task and model.
        seed (int): Seed of the weights and of the samples.
        num_steps (int): Number of steps.
        lr (float): Largest learning rate. Defaults to 4e-3.

    Returns:
        nn.Module: The trained model.
    """
    torch.manual_seed(seed)
    model = job.model(job.task, *job.args)
    generator = Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=num_steps, pct_start=0.1
    )
    for _ in range(num_steps):
        batch = job.task.sample(BATCH_SIZE, generator)
        loss = F.cross_entropy(
            model(batch.inputs).flatten(0, -2),
            batch.targets.flatten(),
            ignore_index=IGNORED,
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def measure(job: Job, model: nn.Module, num_samples: int) -> dict[str, float]:
    """Measure the accuracy on new samples.

    Args:
        job (Job): The task.
        model (nn.Module): The model.
        num_samples (int): Number of samples.

    Returns:
        dict[str, float]: Accuracy of each group in percent.
    """
    # The seeds of trainings are small numbers.
    batch = job.task.sample(num_samples, Generator().manual_seed(2**31))
    logits = torch.cat([model(x) for x in batch.inputs.split(BATCH_SIZE)])
    right = logits.argmax(-1) == batch.targets
    return {
        name: 100 * right[group].float().mean().item()
        for name, group in batch.groups.items()
    }


def run(job: Job, seed: int, num_steps: int) -> dict:
    """Train and test a model, see :func:`train` and :func:`measure`."""
    start = time.process_time()
    model = train(job, seed, num_steps)
    result = dict(
        name=job.name,
        seed=seed,
        accuracy=measure(job, model.eval(), NUM_TESTED),
        parameters=sum(x.numel() for x in model.parameters()),
        cpu_seconds=time.process_time() - start,
    )
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def run_all(task: str, args: argparse.Namespace) -> list[dict]:
    """Run all jobs of a task, seed by seed, except for finished ones.

    Args:
        task (str): Name of the task.
        args (Namespace): Arguments of the command line. The file ``json`` has
            the finished runs and receives the others.

    Returns:
        list[dict]: Results seed by seed, in the order of the table.
    """
    path = Path(args.json) if args.json else None
    found = {}
    if path is not None and path.exists():
        found = json.loads(path.read_text())
    title = f'{task}, {args.steps} steps'
    if task == 'correspondence':
        title += f', {args.frames} frames'
    done: dict[str, dict] = found.setdefault(title, {})
    keys = []
    for seed in args.seeds:
        for job in TASKS[task](args):
            if args.attentions and job.name[0] not in args.attentions:
                continue
            key = f'{", ".join(job.name)}, seed {seed}'
            keys.append(key)
            if key not in done:
                done[key] = run(job, seed, args.steps)
                if path is not None:
                    dump_json(found, str(path), indent=1)
    return [done[key] for key in keys]


def format_table(task: str, results: list[dict]) -> str:
    """Format the results of a task as a Markdown table."""
    groups = list(results[0]['accuracy'])
    heads = ['attention', 'layers', 'parameters', *groups]
    if task == 're-association':
        heads.insert(1, 'Temporal-ASPP')
    lines = [
        f'| {" | ".join(heads)} | CPU s |',
        '| :-- ' + '| --: ' * len(heads) + '|',
    ]
    rows: dict[tuple, list[dict]] = {}
    for result in results:
        rows.setdefault(tuple(result['name']), []).append(result)
    for name, runs in rows.items():
        cells = [*name, f'{runs[0]["parameters"]:,}']
        for group in groups:
            values = [x['accuracy'][group] for x in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f'{statistics.mean(values):.1f} ± {spread:.1f}')
        seconds = statistics.mean(x['cpu_seconds'] for x in runs)
        lines.append(f'| {" | ".join(cells)} | {seconds:.0f} |')
    return '\n'.join(lines)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'tasks', nargs='*', help=f'{", ".join(TASKS)} (default: all)'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--steps', type=positive_int, default=800)
    parser.add_argument(
        '--layers', nargs='+', type=positive_int, help='numbers of layers'
    )
    parser.add_argument(
        '--attentions', nargs='+', help='first cells of the rows to run'
    )
    parser.add_argument(
        '--frames',
        type=positive_int,
        default=3,
        help='frames of "correspondence" (default: 3)',
    )
    parser.add_argument('--threads', type=positive_int, default=1)
    parser.add_argument(
        '--json', help='file of results, to which only missing runs are added'
    )
    args = parser.parse_args(argv)
    args.tasks = args.tasks or list(TASKS)
    unknown = set(args.tasks) - set(TASKS)
    if unknown:
        parser.error(
            f'there is no task {sorted(unknown)}, only {", ".join(TASKS)}'
        )
    for task in args.tasks if args.attentions else ():
        known = {job.name[0]: None for job in TASKS[task](args)}
        if not known.keys() & set(args.attentions):
            parser.error(
                f'{task} has no row {args.attentions}, only {", ".join(known)}'
            )
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    for task in args.tasks:
        results = run_all(task, args)
        print(f'\n{format_table(task, results)}', flush=True)


if __name__ == '__main__':
    main()
