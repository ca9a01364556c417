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
from itertools import product
from pathlib import Path

from tools.misc.config_rows import ROOT, Row, read_rows
from tools.misc.shared_bases import share_bases

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
VITS = ('DINOv2-B', 'DINOv2-L', 'DINOv3-L')
# datasets with fewer configs, then vision transformers
SMALLER = (
    dict(
        MATRIX,
        dataset=('VSPW', 'KITTI-STEP', 'Cityscapes-VPS'),
        segmenter=('Video-kMaX',),
        backbone=MATRIX['backbone'][:3],
    ),
    dict(
        MATRIX,
        dataset=('LV-VIS',),
        segmenter=('Tube-Link',),
        backbone=MATRIX['backbone'][:2],
    ),
    dict(
        MATRIX, dataset=('VIPSeg',), segmenter=('Video-kMaX',), backbone=VITS
    ),
    dict(
        MATRIX,
        dataset=('YouTube-VIS 2021', 'YouTube-VIS 2022', 'OVIS'),
        segmenter=('Tube-Link',),
        backbone=VITS,
    ),
)
FILTERS = ('task', 'dataset', 'backbone', 'segmenter', 'mode', 'settings')
BLOCK = re.compile(
    r'(<!-- list_configs: (.*?) -->\n).*?(<!-- end of list -->)', re.DOTALL
)


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
    text, header = '', ()
    for matrix in (MATRIX, *SMALLER):
        backbones = matrix['backbone']
        if backbones != header[: len(backbones)]:
            header = backbones
            text += ' ' * 30 + ''.join(f'{b:14}' for b in header).rstrip()
            text += '\n'
        for line in product(matrix['dataset'], matrix['segmenter']):
            cells = [
                ' '.join(
                    found.get((*line, b, mode), '.') for mode in matrix['mode']
                )
                for b in backbones
            ]
            text += f'{" ".join(line):30}'
            text += ''.join(f'{cell:14}' for cell in cells).rstrip() + '\n'
    return text + (
        f'in a cell: {", ".join(MATRIX["mode"])}; R: released by the authors, '
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
    share_bases(ROOT / 'configs')
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
