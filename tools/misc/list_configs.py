# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""List the configs of model-index.yml, or their matrix.

    python tools/misc/list_configs.py [--task VIS ...] [--dataset OVIS ...]
        [--backbone R-50 ...] [--segmenter Tube-Link ...] [--mode offline ...]
        [--settings released ...] [--format text|markdown]
    python tools/misc/list_configs.py --matrix
    python tools/misc/list_configs.py --update-docs

``--matrix`` prints a line for each dataset and segmenter and a column for each
backbone. A cell has one letter each for baseline, near-online and offline: R
if the authors released the config, P if the paper describes it, and o if this
project chose the settings. The exit status is 1 if a config is missing.

``--update-docs`` generates the tables of the Markdown pages. A table stands
between ``<!-- list_configs: FILTERS -->`` and ``<!-- end of list -->``;
FILTERS are options of the command line.
"""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import yaml
from mmengine.config import Config, ConfigDict
from mmengine.utils import track_iter_progress

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / 'model-index.yml'
MATRIX = dict(
    dataset=(
        'VIPSeg',
        'YouTube-VIS 2019',
        'YouTube-VIS 2021',
        'YouTube-VIS 2022',
        'OVIS',
    ),
    segmenter=('Video-kMaX', 'Tube-Link'),
    backbone=('R-50', 'Swin-L', 'ConvNeXt-L', 'ConvNeXtV2-L'),
    mode=('baseline', 'near-online', 'offline'),
)
# datasets with fewer configs
SMALLER = (
    dict(
        MATRIX,
        dataset=('VSPW',),
        segmenter=('Video-kMaX',),
        backbone=MATRIX['backbone'][:3],
    ),
)
FILTERS = ('task', 'dataset', 'backbone', 'segmenter', 'mode', 'settings')
BLOCK = re.compile(
    r'(<!-- list_configs: (.*?) -->\n).*?(<!-- end of list -->)', re.DOTALL
)


class Row(NamedTuple):
    """A config, described by its metafile and by its own settings.

    Attributes:
        task (str): VPS, VSS or VIS; PS or IS for images.
        dataset (str): Dataset of the (last) training.
        segmenter (str): Segmenter of clips or images.
        backbone (str): Backbone.
        mode (str): baseline, near-online, offline, end to end, image, or
            zero-shot.
        variant (str): Change that an ablation makes, or ''.
        frames (str): Clips x frames per training sample.
        iterations (str): Length of the training.
        batch (str): GPUs x samples per GPU.
        init (str): Initial weights of the training.
        published (str): Metric and value, '-' for none.
        settings (str): Origin of the settings: released, paper, ours, or
            mmdet.
        config (str): Path of the file.
    """

    task: str
    dataset: str
    segmenter: str
    backbone: str
    mode: str
    variant: str
    frames: str
    iterations: str
    batch: str
    init: str
    published: str
    settings: str
    config: str


def backbone_name(backbone: ConfigDict) -> str:
    """Name a backbone by its config."""
    if backbone.type == 'ResNet':
        slim = ' (slim)' if 'base_channels' in backbone else ''
        return f'R-{backbone.depth}{slim}'
    if backbone.type == 'ConvNeXt':
        return f'ConvNeXt{"V2" * backbone.get("use_grn", False)}-L'
    small = 'TS'[sum(backbone.depths) > 12]
    return 'Swin-' + {96: small, 128: 'B', 192: 'L'}[backbone.embed_dims]


def describe_task(head: ConfigDict) -> str:
    """Describe the task of a model for videos; VSS has no things."""
    if head.type != 'MaXTronPanopticHead':
        return 'VIS'
    return 'VPS' if head.test_cfg.thing_labels else 'VSS'


def describe_model(model: ConfigDict) -> dict:
    """Describe a model by its task, segmenter, backbone and mode."""
    names = dict(backbone=backbone_name(model.backbone), mode='image')
    if model.type == 'Mask2Former':
        stuff = model.panoptic_head.num_stuff_classes
        return dict(
            names, task='PS' if stuff else 'IS', segmenter='Mask2Former'
        )
    head, neck = model.head, model.get('neck')
    if head.segmenter.type == 'Mask2FormerClipHead':
        panoptic = head.type == 'MaXTronPanopticHead'
        task = 'VIS' if model.type == 'MaXTron' else 'PS' if panoptic else 'IS'
        return dict(
            names, mode='zero-shot', task=task, segmenter='Mask2Former'
        )
    if model.type == 'ImageMaXTron':
        name = 'kMaX-DeepLab' + ' + MSDeformAttn' * (neck is not None)
        return dict(names, task='PS', segmenter=name)
    within = neck is not None or 'AxialTrajectory' in (
        head.segmenter.pixel_decoder.type
    )
    mode = 'near-online' if within else 'baseline'
    if head.get('tracker') is not None:
        frozen = model.get('freeze_segmenter', True)
        mode = 'offline' if frozen else 'end to end'
    return dict(
        names,
        task=describe_task(head),
        segmenter={'VideoKMaXHead': 'Video-kMaX', 'TubeLinkHead': 'Tube-Link'}[
            head.segmenter.type
        ],
        mode=mode,
    )


def describe_init(cfg: Config) -> str:
    """Describe the initial weights of a training in a few words."""
    start = cfg.get('load_from')
    if start is None:
        init = cfg.model.backbone.get('init_cfg') or {}
        return 'ImageNet' if 'checkpoint' in init else 'random'
    name = Path(start).stem
    if start.startswith('work_dirs/'):
        iteration = int(re.search(r'\d+', name)[0])
        (source,) = (x for x in Path(start).parts if re.search(r'\dxb\d', x))
        kind, *_, dataset = source.split('_')
        kind = kind.replace('maxtron-nearonline', 'near-online')
        return f'{kind}, {dataset}, {iteration:,} iterations'
    return re.sub(r'_\d{8}_\d{6}-\w+$', '', name)


def describe_training(cfg: Config) -> dict:
    """Describe frames, length, batch and initial weights of a training."""
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:  # a wrapper such as RepeatDataset
        dataset = dataset.dataset
    num_frames = dataset.get('clip_len', 1)
    head = cfg.model.get('head', {})
    clip_len = head.get('test_cfg', {}).get('clip_len', 1)
    if head.get('tracker') is None:
        clip_len = num_frames
    batch_size = cfg.train_dataloader.batch_size
    num_gpus = cfg.auto_scale_lr.base_batch_size // batch_size
    return dict(
        frames=f'{num_frames // clip_len} x {clip_len}',
        iterations=f'{cfg.train_cfg.max_iters:,}',
        batch=f'{num_gpus} x {batch_size}',
        init=describe_init(cfg),
    )


def describe(model: dict) -> Row:
    """Describe an entry of a metafile."""
    cfg = Config.fromfile(ROOT / model['Config'])
    metrics = {
        key.replace(' (published)', ''): value
        for result in model.get('Results', [])
        for key, value in result['Metrics'].items()
        if '(published)' in key
    }
    metadata = model['Metadata']
    names = describe_model(cfg.model)
    if names['mode'] == 'zero-shot':  # The weights are MMDetection's.
        iterations = f'{metadata["Iterations"]:,}'
        frames = f'1 x {cfg.model.head.test_cfg.clip_len}'
        none = dict(batch='-', init='-')
        training = dict(frames=frames, iterations=iterations, **none)
    else:
        training = describe_training(cfg)
    return Row(
        dataset=metadata['Training Data'][-1],
        variant=metadata.get('Variant', ''),
        published=next((f'{k} {v}' for k, v in metrics.items()), '-'),
        settings=metadata['Settings'],
        config=model['Config'],
        **names,
        **training,
    )


@cache
def read_rows() -> list[Row]:
    """Read all configs of the index, in its order."""
    index = yaml.safe_load(INDEX.read_text())
    models = [
        model
        for path in index['Import']
        for model in yaml.safe_load((ROOT / path).read_text())['Models']
    ]
    if sys.stderr.isatty():
        models = track_iter_progress(models, file=sys.stderr)
    return [describe(model) for model in models]


def matching(filters: argparse.Namespace) -> Iterator[Row]:
    """Select the rows that match all filters."""
    wanted = {
        key: set(map(str.lower, values))
        for key, values in vars(filters).items()
        if key in FILTERS and values
    }
    for row in read_rows():
        if all(
            getattr(row, key).lower() in values
            for key, values in wanted.items()
        ):
            yield row


def format_table(
    rows: Sequence[Row],
    columns: Sequence[str],
    markdown: bool,
    folder: Path = ROOT,
) -> str:
    """Format some columns of rows as text or Markdown.

    Args:
        rows (Sequence[Row]): The rows.
        columns (Sequence[str]): Fields of the rows; the last is ``config``.
        markdown (bool): Whether to write Markdown with links.
        folder (Path): Base folder of the links. Defaults to the root of the
            repository.

    Returns:
        str: Lines with a line break after the last.
    """
    table = [[column.capitalize() for column in columns]]
    for row in rows:
        cells = [getattr(row, column) for column in columns]
        if markdown:
            link = os.path.relpath(ROOT / row.config, folder)
            cells[-1] = f'[config]({link})'
        table.append(cells)
    if markdown:
        table.insert(1, [':-'] * len(columns))
        return ''.join(f'| {" | ".join(cells)} |\n' for cells in table)
    widths = [max(map(len, cells)) for cells in zip(*table)]
    return ''.join(
        '  '.join(c.ljust(w) for c, w in zip(cells, widths)).rstrip() + '\n'
        for cells in table
    )


def columns_of(rows: Sequence[Row], filters: argparse.Namespace) -> list[str]:
    """List the fields of the columns: neither fixed by a filter nor empty."""
    fixed = [k for k in FILTERS if len(getattr(filters, k) or ()) == 1]
    return [
        field
        for field in Row._fields
        if field not in fixed and any(getattr(row, field) for row in rows)
    ]


def fill_matrix(rows: Sequence[Row]) -> dict:
    """Find the letter of each cell that has a config."""
    found = {}
    for row in rows:
        if not row.variant:
            key = tuple(getattr(row, k) for k in MATRIX)
            found[key] = dict(released='R', paper='P').get(row.settings, 'o')
    return found


def find_holes(rows: Sequence[Row]) -> list[tuple]:
    """List the cells of the matrix without a config."""
    cells = {cell for m in (MATRIX, *SMALLER) for cell in product(*m.values())}
    return sorted(cells - fill_matrix(rows).keys())


def format_matrix(rows: Sequence[Row]) -> str:
    """Format the matrix as text; a missing config is a dot."""
    found = fill_matrix(rows)
    *_, backbones, modes = MATRIX.values()
    text = (' ' * 30 + ''.join(f'{b:14}' for b in backbones)).rstrip() + '\n'
    for matrix in (MATRIX, *SMALLER):
        for line in product(matrix['dataset'], matrix['segmenter']):
            cells = [
                ' '.join(found.get((*line, b, mode), '.') for mode in modes)
                for b in matrix['backbone']
            ]
            text += f'{" ".join(line):30}'
            text += ''.join(f'{cell:14}' for cell in cells).rstrip() + '\n'
    return text + (
        f'in a cell: {", ".join(modes)}; R: released by the authors, '
        'P: described in the paper, o: ours, .: missing\n'
    )


def update_docs(parser: argparse.ArgumentParser) -> list[Path]:
    """Generate the tables of all pages.

    Returns:
        list[Path]: The pages that changed.
    """
    changed = []
    pages = [*ROOT.glob('docs/*.md'), *ROOT.glob('configs/*/*.md')]
    for page in sorted(pages):

        def table(match):
            filters = parser.parse_args(shlex.split(match[2]))
            if filters.matrix:
                text = format_matrix(read_rows())
                return f'{match[1]}```text\n{text}```\n{match[3]}'
            rows = list(matching(filters))
            if not rows:
                raise ValueError(f'{page}: no config matches "{match[2]}".')
            return (
                match[1]
                + format_table(
                    rows, columns_of(rows, filters), True, page.parent
                )
                + match[3]
            )

        text = page.read_text()
        new = BLOCK.sub(table, text)
        if new != text:
            fresh = page.with_suffix('.md.new')
            fresh.write_text(new)
            fresh.replace(page)
            changed.append(page)
    return changed


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line and of the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0], epilog='See the top of this file.'
    )
    for name in FILTERS:
        values = MATRIX.get(name, ())
        parser.add_argument(
            f'--{name}',
            nargs='+',
            metavar='NAME',
            help='only these'
            + f', such as {", ".join(values)}' * bool(values),
        )
    parser.add_argument(
        '--format', choices=['text', 'markdown'], default='text'
    )
    parser.add_argument(
        '--matrix', action='store_true', help='the matrix without details'
    )
    parser.add_argument(
        '--update-docs',
        action='store_true',
        help='write the tables of docs/ and configs/ anew',
    )
    return parser


def main() -> int:
    """Run the command line."""
    parser = make_parser()
    args = parser.parse_args()
    if args.update_docs:
        for page in update_docs(parser):
            print(f'{page.relative_to(ROOT)} has new tables')
        return 0
    if args.matrix:
        print(format_matrix(read_rows()), end='')
        return int(bool(find_holes(read_rows())))
    rows = list(matching(args))
    if not rows:
        for key in filter(vars(args).get, FILTERS):
            known = sorted({getattr(row, key) for row in read_rows()})
            print(f'--{key}: {", ".join(known)}', file=sys.stderr)
        parser.error('no config is like that; above is what there is')
    print(
        format_table(rows, columns_of(rows, args), args.format == 'markdown'),
        end='',
    )
    print(f'\n{len(rows)} configs')
    return 0


if __name__ == '__main__':
    sys.exit(main())
