# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Entry of the console command ``maxtron``.

This module is outside of the package ``projects.maxtron``, whose import loads
PyTorch and MMDetection. ``maxtron --help`` therefore answers at once, and
``maxtron check`` works even if the package does not.

A sub-command NAME is a line in :data:`COMMANDS` and a module
``projects/maxtron/cli/NAME.py``, which is imported only when it is used. The
module has two functions:

* ``add_parser(subparsers)`` adds the parser of the sub-command;
* ``run(args)`` runs it and returns the exit status, None for 0. Errors about
  the user's input are :class:`~projects.maxtron.errors.InputError` and become
  one line, see :func:`~projects.maxtron.engine.cli.report_errors`.
"""

import argparse
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

COMMANDS = dict(
    predict='track and segment a video, a folder of frames or a camera',
    batch='track and segment many videos',
    models='list the released models',
    download='download released weights',
    serve='open a web page that runs models on uploaded videos',
    view='open a web page with the results of a run',
    check='check the installation',
)
_PACKAGE = Path(__file__).resolve().parent / 'maxtron'


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Make the parser of the console command.

    Args:
        command (str, optional): Sub-command whose arguments are added; its
            module is imported. Defaults to None: only the names of all.

    Returns:
        ArgumentParser: The parser.
    """
    parser = argparse.ArgumentParser(
        prog='maxtron',
        description='Video segmentation with MaXTron.',
        epilog='"maxtron COMMAND --help" explains a command.',
    )
    version = runpy.run_path(str(_PACKAGE / 'version.py'))['__version__']
    parser.add_argument('--version', action='version', version=version)
    subparsers = parser.add_subparsers(
        dest='command', metavar='COMMAND', required=True
    )
    for name, text in COMMANDS.items():
        if name == command != 'check':
            import_module(f'projects.maxtron.cli.{name}').add_parser(
                subparsers
            )
        else:
            description = f'{text.capitalize()}.'
            subparsers.add_parser(name, help=text, description=description)
    return parser


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the console command.

    Args:
        argv (Sequence[str], optional): The arguments. Defaults to None: those
            of the process.

    Returns:
        int | None: Exit status; None means 0.
    """
    argv = sys.argv[1:] if argv is None else argv
    command = argv[0] if argv and argv[0] in COMMANDS else None
    args = make_parser(command).parse_args(argv)
    if args.command == 'check':
        return _check()
    module = import_module(f'projects.maxtron.cli.{args.command}')
    from projects.maxtron.engine.cli import report_errors

    with report_errors():
        return module.run(args)


def _check() -> int:
    """Run tools/misc/check_env.py, which needs nothing of the project."""
    roots = (_PACKAGE / '.mim', _PACKAGE.parents[1])
    scripts = [root / 'tools/misc/check_env.py' for root in roots]
    script = next((path for path in scripts if path.is_file()), None)
    if script is None:
        sys.exit(f'error: {scripts[0]} is missing: install the project again.')
    return runpy.run_path(str(script))['main']()


if __name__ == '__main__':
    sys.exit(main())
