# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writes names.json.gz: what can be imported from OpenMMLab's releases.

Reads the sources in the wheels, so nothing has to be installed:

    pip download --no-deps mmengine==0.10.7 mmcv-lite==2.1.0 mmdet==3.3.0
    python tests/data/upstream/make_names.py *.whl

By module: for a function its parameters, for a class its methods with
theirs and its attributes, for anything else null. A module that is no
``__init__.py`` has only what is defined in it.
"""

import argparse
import ast
import gzip
import json
import zipfile
from pathlib import Path

OUT = Path(__file__).with_name('names.json.gz')
PACKAGES = ('mmengine', 'mmcv', 'mmdet')


def parameters(function):
    """Names of the parameters; "*" and "**" for those that take any."""
    args = function.args
    named = args.posonlyargs + args.args + args.kwonlyargs
    return ([arg.arg for arg in named] + ['*'] * bool(args.vararg) +
            ['**'] * bool(args.kwarg))


def targets(node):
    """Names and attributes that a statement assigns to."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return
    for target in getattr(node, 'targets', [getattr(node, 'target', None)]):
        yield from getattr(target, 'elts', [target])


def members(node):
    """Methods and attributes of a class, also those that methods set."""
    found = {
        target.attr: None
        for part in ast.walk(node) for target in targets(part)
        if isinstance(target, ast.Attribute)
        and getattr(target.value, 'id', None) == 'self'
    }
    found.update(definitions(node.body))
    return found


def definitions(body):
    """List the names that statements define, in their branches too."""
    found = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = parameters(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = members(node)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            handlers = getattr(node, 'handlers', [])
            for block in (node, *handlers):
                found.update(definitions(block.body))
        found.update((target.id, None) for target in targets(node)
                     if isinstance(target, ast.Name))
    return found


def imports(tree, package):
    """Imports of a package from inside: (module, name, name here)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = package.split('.')[:len(package.split('.')) + 1 -
                                       node.level]
            module = '.'.join(parts + [node.module] * bool(node.module))
            for alias in node.names:
                yield module, alias.name, alias.asname or alias.name


def read_sources(wheels):
    """Parse the modules of wheels, by name; with whether it is a package."""
    sources = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):
                path = Path(name)
                if (path.suffix == '.py' and path.parts[0] in PACKAGES
                        and '.mim' not in path.parts):
                    parts = path.with_suffix('').parts
                    is_package = parts[-1] == '__init__'
                    module = '.'.join(parts[:-1] if is_package else parts)
                    sources[module] = ast.parse(archive.read(name)), is_package
    return sources


def collect(sources):
    """Make the table of names by module."""
    table = {name: definitions(tree.body)
             for name, (tree, _) in sources.items()}

    # Innermost first, so that what a package gets is complete.
    for package in sorted(table, key=lambda name: -name.count('.')):
        tree, is_package = sources[package]
        if not is_package:
            continue
        for module, name, here in imports(tree, package):
            if name == '*':
                table[package].update(
                    (key, None) for key in table.get(module, {})
                    if key not in table[package] and key[0] != '_')
            else:
                table[package].setdefault(here, None)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('wheels', nargs='+', type=Path)
    wheels = sorted(parser.parse_args().wheels, key=lambda path: path.name)
    content = dict(
        wheels=[path.name for path in wheels],
        modules=collect(read_sources(wheels)))
    text = json.dumps(content, sort_keys=True, separators=(',', ':'))
    OUT.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == '__main__':
    main()
