# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Report of the check: one Markdown and one JSON file."""

import math
from collections.abc import Sequence
from pathlib import Path

from projects.maxtron.utils import dump_json, write_text

from . import PARTS


def failures(result: dict) -> list[str]:
    """List the cases of a part that failed, and why it ended early."""
    cases = [row['case'] for row in result['rows'] if not row['ok']]
    if result['error']:
        cases.append(result['error'])
    elif not result['rows']:
        cases.append('no row')
    return cases


def write_report(
    folder: Path, results: Sequence[dict], header: dict[str, str]
) -> None:
    """Write ``check_gpu.md`` and ``check_gpu.json``.

    Args:
        folder (Path): Folder of the files.
        results (Sequence[dict]): Results of :func:`~.process.run_part`.
        header (dict[str, str]): Lines above the tables, by their title.
    """
    dump_json(
        dict(header, parts=[_finite(result) for result in results]),
        folder / 'check_gpu.json',
        indent=1,
    )
    texts = {part.name: part.text for part in PARTS}
    summary = [
        dict(
            part=result['name'],
            checks=texts[result['name']],
            rows=len(result['rows']),
            failed='; '.join(failures(result)) or '-',
            seconds=round(result['seconds']),
        )
        for result in results
    ]
    lines = ['# GPU check', '']
    lines += [f'{title}: {text}  ' for title, text in header.items()]
    lines += ['', *_table(summary)]
    for result in results:
        lines += ['', f'## {result["name"]}', '', *_table(result['rows'])]
        if result['log']:
            lines += ['', '```', *result['log'].splitlines(), '```']
    write_text('\n'.join(lines) + '\n', folder / 'check_gpu.md')


def _table(rows: Sequence[dict]) -> list[str]:
    """Format rows as a table of Markdown, with the columns of all of them."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [
        '| ' + ' | '.join(c.replace('_', ' ') for c in columns) + ' |',
        '| ' + ' | '.join(':--' for _ in columns) + ' |',
    ]
    for row in rows:
        cells = [_cell(column, row.get(column, '')) for column in columns]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines if rows else []


def _cell(column: str, value) -> str:
    """Format a value."""
    if column == 'ok':
        return 'ok' if value else '**failed**'
    text = f'{value:.3g}' if isinstance(value, float) else str(value)
    return text.replace('|', '\\|')


def _finite(value):
    """Replace numbers that JSON does not have by their names."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
