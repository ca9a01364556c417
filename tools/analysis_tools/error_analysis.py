# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""What the errors of a model cost, by oracles that correct one kind each.

    python tools/analysis_tools/error_analysis.py RESULTS TRUTH \
        [--masks DIR] [--sparse] [--windows K ...] [--out FILE.json]
        [--plot FILE.png]

RESULTS and TRUTH of panoptic videos are the folder that a test wrote
(pred.json, pan_pred) and panoptic_gt_VIPSeg_val.json; the annotated masks are
in panomasksRGB beside it, or in --masks. Those of instances are results.json
and the annotation file. docs/analysis.md defines the oracles. The tables have

- the metrics as they are, with each oracle alone, and with the oracles added
  one after the other;
- the gain of each oracle alone for each class;
- the quality of the annotated tracks by their length and their longest gap.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.evaluation.functional import WINDOWS, VideoCounts
from projects.maxtron.evaluation.instance_files import read_instance_videos
from projects.maxtron.evaluation.metrics.stq_metric import has_vipseg_classes
from projects.maxtron.evaluation.oracles import (
    InstanceOutcome,
    Outcome,
    PanopticOutcome,
    Track,
)
from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
)
from projects.maxtron.utils import dump_json

from mmengine.utils import track_progress

from tools.analysis_tools.bars import check_plot_path, draw_bars

AS_IT_IS = 'as it is'
LENGTHS = (10, 30, math.inf)
GAPS = (0, 5, 20, math.inf)


def read_results(args: argparse.Namespace) -> Outcome:
    """Read results and ground truth of either task."""
    if not os.path.isdir(args.results):
        names, videos = read_instance_videos(args.results, args.truth)
        return InstanceOutcome(videos, names)
    masks = args.masks or Path(args.truth).parent / 'panomasksRGB'
    categories, files = list_videos(
        args.results,
        os.path.join(args.results, 'pred.json'),
        str(masks),
        args.truth,
        args.sparse,
    )
    counts: list[VideoCounts] = track_progress(
        count_video, files, file=sys.stderr
    )
    print(file=sys.stderr)
    names = [c['name'] for c in categories]
    return PanopticOutcome(
        counts,
        names,
        [c['isthing'] for c in categories],
        has_vipseg_classes(names),
        args.windows or WINDOWS,
    )


def analyse(results: Outcome) -> dict:
    """Apply all oracles.

    Args:
        results (Outcome): The results.

    Returns:
        dict: ``alone`` and ``added``: metrics by row; ``classes``: the class
        metric by row and class; ``lengths`` and ``gaps``: number and mean
        quality, in percent, of the tracks of each group by row.
    """
    alone = {AS_IT_IS: results}
    added = {}
    for number, name in enumerate(results.oracles, 1):
        alone[name] = results.correct([name])
        added[f'+ {name}'] = results.correct(results.oracles[:number])
    tracks = {row: x.tracks() for row, x in alone.items()}
    return dict(
        alone={row: x.values() for row, x in alone.items()},
        added={row: x.values() for row, x in added.items()},
        class_metric=results.class_metric,
        classes={
            row: dict(zip(results.classes, x.class_values(), strict=True))
            for row, x in alone.items()
        },
        lengths=_group(tracks, LENGTHS, lambda track: track.length),
        gaps=_group(tracks, GAPS, lambda track: track.gap),
    )


def _group(
    tracks: dict[str, list[Track]],
    limits: Sequence[float],
    measure: Callable[[Track], int],
) -> dict[str, dict]:
    """Average the quality of tracks in groups up to each limit."""
    groups: dict[str, dict] = {}
    lowest = 0
    for limit in limits:
        chosen = {
            row: [x for x in of if lowest <= measure(x) <= limit]
            for row, of in tracks.items()
        }
        name = f'{lowest} to {limit}' if limit > lowest else f'{lowest}'
        if limit == math.inf:
            name = f'{lowest} and more'
        groups[name] = dict(
            tracks=len(chosen[AS_IT_IS]),
            **{
                row: 100 * sum(x.quality for x in of) / len(of) if of else None
                for row, of in chosen.items()
            },
        )
        lowest = int(limit) + 1 if limit < math.inf else 0
    return groups


def format_tables(analysis: dict) -> str:
    """Format the analysis as Markdown tables."""
    rows = analysis['alone'] | analysis['added']
    tables = [_table('', rows)]
    by_class = analysis['classes']
    first = by_class[AS_IT_IS]
    classes = {
        name: {row: values[name] for row, values in by_class.items()}
        for name in first
        if any(values[name] is not None for values in by_class.values())
    }
    tables.append(_table(f'{analysis["class_metric"]} of class', classes))
    tables.append(_table('frames of a track', analysis['lengths']))
    tables.append(_table('longest gap in frames', analysis['gaps']))
    return '\n\n'.join(tables)


def _table(title: str, rows: dict[str, dict]) -> str:
    """Format rows of values; the first row has all columns."""
    columns = list(next(iter(rows.values())))
    lines = [
        [title, *columns],
        [':--', *['--:'] * len(columns)],
        *(
            [name, *(_format(row[column]) for column in columns)]
            for name, row in rows.items()
        ),
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _format(value: float | None) -> str:
    if value is None:
        return '-'
    return str(value) if isinstance(value, int) else f'{value:.1f}'


def plot(analysis: dict, path: str) -> None:
    """Draw the metrics of all rows as bars."""
    rows = analysis['alone'] | analysis['added']
    metrics = list(analysis['alone'][AS_IT_IS])
    draw_bars(
        list(rows),
        {name: [row[name] for row in rows.values()] for name in metrics},
        path,
    )
    print(f'Wrote {path}')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'results', help='folder with pred.json and pan_pred, or results.json'
    )
    parser.add_argument('truth', help='annotation file (.json)')
    parser.add_argument(
        '--masks',
        help='folder of annotated panoptic masks (default: panomasksRGB '
        'beside TRUTH)',
    )
    parser.add_argument(
        '--sparse',
        action='store_true',
        help='leave out predicted frames that are not in TRUTH '
        '(Cityscapes-VPS)',
    )
    parser.add_argument(
        '--windows',
        type=positive_int,
        nargs='+',
        help='lengths of the windows of VPQ in frames (default: 1 2 4 6)',
    )
    parser.add_argument('--out', help='also write all values to this .json')
    parser.add_argument(
        '--plot', help='also draw the metrics to this file (.png, .svg, .pdf)'
    )
    args = parser.parse_args(argv)
    if args.plot:
        check_plot_path(args.plot)
    if args.out and not args.out.endswith('.json'):
        parser.error(f'--out must end in .json, not "{args.out}"')
    for name in ('masks', 'sparse', 'windows'):
        if getattr(args, name) and not os.path.isdir(args.results):
            raise InputError(
                f'--{name} is for panoptic results, which are a folder, but '
                f'{args.results} is not one.'
            )
    return args


@report_errors('error_analysis', ValueError)
def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    analysis = analyse(read_results(args))
    print(format_tables(analysis))
    if args.out:
        dump_json(analysis, args.out, indent=1)
        print(f'Wrote {args.out}')
    if args.plot:
        plot(analysis, args.plot)


if __name__ == '__main__':
    main()
