# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Change the code in one place at a time and check whether a test fails.

The tool requires the package ``coverage`` in addition to those of the tests.
First record which test runs which line, then draw some mutants of each file:

    python tools/misc/mutation_test.py cover cover.json tests/test_models
    python tools/misc/mutation_test.py run cover.json mutants.tsv \
        projects/maxtron/models/postprocess --per-file 3 --seed 0

No file is changed: a forked process imports the mutant from memory and runs
the tests that cover it, the quickest first. Tests that start other processes
do not see the mutant. A mutant that survives behaves as the code does, or
lacks a test.
"""

import argparse
import importlib
import importlib.util
import json
import os
import signal
import sys
from collections import defaultdict
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from mutants import Mutant, draw_mutants

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = (
    'mmdet.apis mmdet.datasets mmdet.evaluation mmdet.models '
    'mmdet.visualization mmengine.runner scipy.optimize pycocotools.mask'
).split()


class Recorder:
    """Pytest plugin that records the time and the lines of each test."""

    def __init__(self, coverage: object) -> None:
        self.coverage, self.seconds = coverage, defaultdict(float)
        self.failed = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        self.coverage.switch_context(item.nodeid)
        yield
        self.coverage.switch_context('')

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if report.failed or report.skipped:
            self.failed.add(report.nodeid)


class Selector:
    """Pytest plugin that runs selected tests in a given order."""

    def __init__(self, tests: list[str]) -> None:
        self.order = {test: i for i, test in enumerate(tests)}
        self.failure = None

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failure = self.failure or report.nodeid

    def pytest_collectreport(self, report):
        if report.failed:
            self.failure = self.failure or f'import of {report.nodeid}'


def cover(args: argparse.Namespace) -> None:
    """Record the lines of the package that each test runs, and its time."""
    from coverage import Coverage

    package = str(ROOT / 'projects/maxtron')
    coverage = Coverage(data_file=None, source=[package], config_file=False)
    coverage.start()
    recorder = Recorder(coverage)
    pytest.main(['-q', '-p', 'no:cacheprovider', *args.tests], [recorder])
    coverage.stop()
    lines, data = {}, coverage.get_data()
    unused = {'', *recorder.failed}  # '' stands for the import of modules.
    for file in data.measured_files():
        lines[os.path.relpath(file, ROOT)] = {
            line: sorted(set(tests) - unused)
            for line, tests in data.contexts_by_lineno(file).items()
        }
    text = json.dumps(dict(seconds=recorder.seconds, lines=lines))
    args.cover.write_text(text)


def choose_tests(cover: dict, path: str, mutant: Mutant, limit: float) -> list:
    """Choose tests that run a mutant, the quickest first, within a time."""
    lines, seconds = cover['lines'].get(path, {}), cover['seconds']
    for wanted in (mutant.lines, mutant.scope, range(1, 10**6)):
        tests = {
            test
            for line, tests in lines.items()
            if int(line) in wanted
            for test in tests
        }
        if tests:
            break
    files = {test.split('::')[0] for test in tests}
    # A fixture of a module runs in the first of its tests and serves all.
    others = {test for test in seconds if test.split('::')[0] in files}
    chosen, total = [], 0.0
    for test in [
        *sorted(tests, key=seconds.get),
        *sorted(others - tests, key=seconds.get),
    ]:
        total += seconds[test] + 0.01
        if total > limit and chosen:
            break
        chosen.append(test)
    return sorted(chosen, key=lambda test: (test not in tests, seconds[test]))


def run_tests(path: Path, code: object, tests: list[str]) -> str:
    """Run tests with a mutant instead of a file, in this process."""
    original = SourceFileLoader.get_code

    def get_code(loader, name):
        return code if loader.path == str(path) else original(loader, name)

    SourceFileLoader.get_code = get_code
    try:
        importlib.import_module('projects.maxtron')
    except Exception as error:
        return f'killed\timport: {type(error).__name__}'
    selector = Selector(tests)
    files = sorted({test.split('::')[0] for test in tests})
    options = ['-x', '-q', '-n0', '-p', 'no:cacheprovider', *files]
    result = pytest.main(options, [selector])
    if selector.failure:
        return f'killed\t{selector.failure}'
    return (
        f'survived\t{len(tests)} tests' if not result else f'error\t{result}'
    )


def in_fork(function: object, *args: object, limit: float) -> str:
    """Call a function in a forked process and return its text."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        signal.alarm(int(limit))  # end the process
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.write(writing, function(*args).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(process, 0)
    return text or f'killed\tended by signal or exit, status {status}'


def run(args: argparse.Namespace) -> None:
    """Test mutants of files and append a row for each to a table."""
    lite = importlib.util.spec_from_file_location(
        'lite', ROOT / 'projects/maxtron/_mmcv_lite.py'
    )
    module = importlib.util.module_from_spec(lite)
    lite.loader.exec_module(module)
    module.register_placeholders()  # MMDetection requires this on mmcv-lite.
    for name in PRELOADED:
        importlib.import_module(name)
    covered = json.loads(args.cover.read_text())
    files = [
        file
        for path in args.paths
        for file in (sorted(path.rglob('*.py')) if path.is_dir() else [path])
    ]
    for file in map(Path.resolve, files):
        name = str(file.relative_to(ROOT))
        for mutant, code in draw_mutants(
            file, args.per_file, f'{args.seed} {name}'
        ):
            tests = choose_tests(covered, name, mutant, args.limit)
            result = 'survived\tno test covers it'
            if tests:
                limit = (
                    4 * args.limit + 60
                )  # limit for mutants that do not end
                result = in_fork(run_tests, file, code, tests, limit=limit)
            row = f'{name}\t{mutant.old.lineno}\t{mutant}\t{result}'
            with args.table.open('a') as table:
                print(row, file=table)
            print(row, flush=True)


def main() -> None:
    """Parse the command line and run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    commands = parser.add_subparsers(required=True)
    record = commands.add_parser('cover', help=cover.__doc__)
    record.set_defaults(function=cover)
    record.add_argument('cover', type=Path, help='JSON file to write')
    record.add_argument('tests', nargs='+', help='arguments of pytest')
    test = commands.add_parser('run', help=run.__doc__)
    test.set_defaults(function=run)
    test.add_argument('cover', type=Path, help='output of "cover"')
    test.add_argument('table', type=Path, help='TSV file to append to')
    test.add_argument('paths', nargs='+', type=Path, help='files or folders')
    test.add_argument(
        '--per-file', type=int, default=3, help='mutants per file'
    )
    test.add_argument('--seed', type=int, default=0, help='seed of the draw')
    test.add_argument('--limit', type=float, default=25, help='seconds')
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    args.function(args)


if __name__ == '__main__':
    main()
