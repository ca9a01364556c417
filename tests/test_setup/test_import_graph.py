# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Import rules of the rooms of the package (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / 'projects/maxtron'

# A room imports only from rooms of lower floors. Rooms of one floor do not
# import each other, except for the parts of one sub-package.
FLOORS = [
    {'single modules'},
    {'structures'},
    {'models.layers', 'models.postprocess'},
    {'models.backbones', 'models.within_clip', 'models.association'},
    {'models.cross_clip'},  # its attention is that of within-clip tracking
    {'models.segmenters'},
    {'models.heads'},
    {'models', 'datasets'},
    {'evaluation', 'visualization', 'weights'},
    {'engine', 'deployment'},
    {'apis', 'testing'},
    {'web'},
    {'cli'},
]


def module_name(path):
    """Dotted name below the package; a package has the name of its folder."""
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def read_imports():
    """Map each module to the modules of the package that it imports."""
    paths = {module_name(path): path for path in PACKAGE.rglob('*.py')}
    graph = {}
    for name, path in paths.items():
        package = name.split('.') if name else []
        if path.name != '__init__.py':
            package = package[:-1]
        graph[name] = imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = package[: len(package) - node.level + 1]
            base = base + (node.module.split('.') if node.module else [])
            for alias in node.names:
                # a module, or a name that its package or module defines
                child = '.'.join([*base, alias.name])
                imported.add(child if child in paths else '.'.join(base))
    return graph


def room_of(name):
    """Room of a module: the longest prefix that is one."""
    if (PACKAGE / f'{name}.py').exists():
        return 'single modules'
    rooms = set().union(*FLOORS)
    parts = name.split('.')
    for end in range(len(parts), 0, -1):
        if '.'.join(parts[:end]) in rooms:
            return '.'.join(parts[:end])
    raise AssertionError(f'{name} is in no room: add it to FLOORS.')


@pytest.fixture(scope='module')
def graph():
    return read_imports()


def test_no_room_imports_from_above(graph):
    floor = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
    upward = []
    for name, imported in graph.items():
        if not name:
            continue  # the package itself registers all rooms
        here = room_of(name)
        for other in imported - {''}:
            there = room_of(other)
            if there != here and floor[there] >= floor[here]:
                upward.append(f'{name} imports {other}')
    assert not sorted(upward)


def test_no_circles(graph):
    finished, path = set(), []

    def visit(name):
        assert name not in path, ' -> '.join([*path, name])
        if name in finished:
            return
        path.append(name)
        for other in sorted(graph[name] - {name}):
            visit(other)
        path.pop()
        finished.add(name)

    for name in sorted(graph):
        visit(name)


def test_the_graph_is_read(graph):
    """Relative imports of all forms are seen, so the checks above can fail."""
    assert 'structures.clip_prediction' in graph['structures']
    assert 'structures' in graph['models.heads.base_maxtron_head']
    assert 'models.maxtron' in graph['models.image_maxtron']
    assert len(graph) > 100
