# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Plot the rows of a benchmark as bars.

    python tools/benchmarks/benchmark_attention.py --json attention.json
    python tools/analysis_tools/plot_results.py attention.json
        --keys ours_ms naive_ms --out attention.png

A key whose values have parts, such as `seconds` of benchmark_inference.py, is
drawn as one bar of these parts.
"""

import argparse

from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.json_file import parse_json

from tools.analysis_tools.bars import check_plot_path, draw_bars


def name_rows(rows: list[dict], keys: list[str]) -> list[str]:
    """Name each row by its texts and by the whole numbers that vary."""
    names = []
    for row in rows:
        parts = []
        for key, value in row.items():
            is_text = isinstance(value, str)
            varies = len({str(other.get(key)) for other in rows}) > 1
            is_count = isinstance(value, int) and not isinstance(value, bool)
            if key not in keys and varies and (is_text or is_count):
                parts.append(value if is_text else f'{key} {value}')
        names.append(', '.join(parts))
    return names


def collect_series(
    rows: list[dict], keys: list[str]
) -> tuple[dict[str, list[float | None]], bool]:
    """Collect the values of the keys, or the parts of one key.

    Args:
        rows (list[dict]): Rows of a benchmark.
        keys (list[str]): Keys of numbers, or one key of parts.

    Returns:
        tuple[dict[str, list[float | None]], bool]: A value per row, by name,
        and whether these are parts of a whole.

    Raises:
        InputError: If a key is in no row, or its values cannot be drawn.
    """
    for key in keys:
        if not any(key in row for row in rows):
            known = dict.fromkeys(name for row in rows for name in row)
            raise InputError(
                f'There is no key {key}. The rows have {", ".join(known)}.'
            )
    values = [row.get(keys[0]) for row in rows]
    stacked = isinstance(values[0], dict)
    if stacked:
        if len(keys) > 1:
            raise InputError(
                f'{keys[0]} has parts, which make a whole bar: give this key '
                'alone.'
            )
        parts = dict.fromkeys(name for value in values for name in value)
        series = {name: [v.get(name) for v in values] for name in parts}
    else:
        series = {key: [row.get(key) for row in rows] for key in keys}
    for name, numbers in series.items():
        for number in numbers:
            if number is not None and not isinstance(number, int | float):
                raise InputError(f'The values of {name} are no numbers.')
    return series, stacked


@report_errors('plot_results')
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('file', help='JSON file that --json wrote')
    parser.add_argument('--keys', nargs='+', required=True)
    parser.add_argument(
        '--out', required=True, help='image to write (.png, .svg or .pdf)'
    )
    args = parser.parse_args()
    check_plot_path(args.out)
    content = parse_json(args.file)
    rows = content.get('rows') if isinstance(content, dict) else None
    if not rows:
        raise InputError(
            f'{args.file} has no rows: give a file that a benchmark wrote '
            'with --json.'
        )
    series, stacked = collect_series(rows, args.keys)
    draw_bars(name_rows(rows, args.keys), series, args.out, stacked)
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
