# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""OpenMMLab's packages have all names of OneDL's packages that are used.

The tests run on OneDL's packages. ``tests/data/upstream`` has the names of
OpenMMLab's last releases, read from their wheels.
"""

import ast
import gzip
import importlib
import inspect
import json
import pkgutil
from functools import cache
from pathlib import Path

import projects.maxtron

import pytest
from mmengine.model import BaseModule

from tests.data.upstream.make_names import OUT, PACKAGES, members

ROOT = Path(__file__).parents[2]
UPSTREAM = json.loads(gzip.decompress(OUT.read_bytes()))['modules']
FILES = [
    path
    for folder in ('projects', 'tools', 'demo', 'configs', 'docs', 'tests')
    for path in sorted((ROOT / folder).rglob('*.py'))
    if path.name != 'test_upstream_compat.py'  # looks into modules of both
]
# Keys that readers of configs and builders take out of a dict.
NO_ARGUMENTS = {'type', '_delete_', '_scope_', 'constructor', 'paramwise_cfg'}


# Libraries that their modules import; the recorded names leave them out.
LIBRARIES = ('np', 'time', 'torch')


def is_theirs(thing):
    return str(getattr(thing, '__module__', '')).split('.')[0] in PACKAGES


def listed(thing):
    """Entry of the list for a class or function, or None."""
    return UPSTREAM.get(thing.__module__, {}).get(thing.__qualname__)


def full_name(thing):
    return f'{thing.__module__}.{thing.__qualname__}'


def names_in(tree):
    """Imports and look-ups in modules: (line, module, name, name here)."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                here = alias.asname or alias.name
                modules[here] = f'{node.module}.{alias.name}'
                yield node.lineno, node.module, alias.name, here
        elif isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name] = alias.name
                modules.setdefault(*[alias.name.split('.')[0]] * 2)
                module, _, name = alias.name.rpartition('.')
                if module:
                    yield node.lineno, module, name, alias.asname
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module = modules.get(ast.unparse(node.value))
            if module in UPSTREAM:
                yield node.lineno, module, node.attr, ast.unparse(node)


def missing_imports(tree):
    """List the imports of a file that OpenMMLab's packages lack."""
    for line, module, name, _ in names_in(tree):
        if (
            module.split('.')[0] in PACKAGES
            and name not in LIBRARIES
            and name not in UPSTREAM.get(module, ())
            and f'{module}.{name}' not in UPSTREAM
        ):
            yield f'line {line}: {module}.{name}'


@cache
def find_type(name):
    """Find the class or function that a type in a config refers to."""
    registries = vars(importlib.import_module('mmdet.registry')).values()
    found = (
        registry.get(name)
        for registry in registries
        if getattr(registry, 'scope', None) == 'mmdet'
    )
    return next(filter(is_theirs, found), None)


def calls_in(tree):
    """Calls of theirs, in configs too: (line, what is called, keywords)."""
    here = {
        name: (module, attribute)
        for _, module, attribute, name in names_in(tree)
        if module.split('.')[0] in PACKAGES
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {key.arg: key.value for key in node.keywords if key.arg}
        called = None
        if name in here:
            module, attribute = here[name]
            called = getattr(importlib.import_module(module), attribute, None)
        elif name == 'dict' and isinstance(keywords.get('type'), ast.Constant):
            called = find_type(keywords['type'].value)
            keywords = keywords.keys() - NO_ARGUMENTS
        if is_theirs(called) and hasattr(called, '__qualname__'):
            yield node.lineno, called, set(keywords)


def takers(called):
    """Parameter lists of the functions that a call may reach."""
    if not inspect.isclass(called):
        yield listed(called)
        return
    for base in called.__mro__:
        if '__init__' in vars(base):
            yield is_theirs(base) and (listed(base) or {}).get('__init__')


def missing_arguments(tree):
    """Arguments that OpenMMLab's classes and functions do not take."""
    for line, called, keywords in calls_in(tree):
        if listed(called) is None:
            yield f'line {line}: {full_name(called)}'
            continue
        for parameters in takers(called):
            # Not listed: generated, or of PyTorch. All that it is given fits.
            keywords -= set(parameters or keywords)
            if '**' not in (parameters or ()):
                break
        for keyword in sorted(keywords):
            yield f'line {line}: {full_name(called)}({keyword}=)'


def class_tree(kind):
    return ast.parse(inspect.cleandoc('\n' + inspect.getsource(kind))).body[0]


def names_used(tree):
    """Methods of a class, and names it uses of self, cls and super()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in (
            'self',
            'cls',
            'super()',
        ):
            yield node.attr


def missing_members(kind):
    """Names that a class overrides or uses and OpenMMLab's base lacks.

    Names with other parameters are also listed.
    """
    used = set(names_used(class_tree(kind)))
    for base in filter(is_theirs, kind.__mro__[1:]):
        known = listed(base) or {}
        for name, parameters in members(class_tree(base)).items():
            if name in used and known.get(name, 'not there') != parameters:
                yield f'{full_name(base)}.{name}'


# need Triton or Gradio, or are programs
NOT_IMPORTED = ('.triton_', '.web.panel', '.web.pages', '.__main__')


def project_classes():
    """Classes of the package that inherit from theirs."""
    package = projects.maxtron
    for found in pkgutil.walk_packages(package.__path__, 'projects.maxtron.'):
        if any(part in found.name for part in NOT_IMPORTED):
            continue
        module = importlib.import_module(found.name)
        for thing in vars(module).values():
            if (
                inspect.isclass(thing)
                and thing.__module__ == found.name
                and any(map(is_theirs, thing.__mro__))
            ):
                yield thing


@pytest.mark.slow
@pytest.mark.parametrize('missing', (missing_imports, missing_arguments))
def test_files_use_what_openmmlab_has(missing):
    found = [
        f'{path.relative_to(ROOT)}, {text}'
        for path in FILES
        for text in missing(ast.parse(path.read_text()))
    ]
    assert not found


@pytest.mark.slow
def test_classes_inherit_what_openmmlab_has():
    classes = list(project_classes())
    assert len(classes) > 50
    assert not {
        full_name(kind): missing
        for kind in classes
        if (missing := list(missing_members(kind)))
    }


@pytest.mark.parametrize(
    'source, missing, name',
    (
        (
            'from mmdet.structures import INSTANCE_OFFSET',
            missing_imports,
            'mmdet.structures.INSTANCE_OFFSET',
        ),
        (
            'import mmdet.structures as s; s.INSTANCE_OFFSET',
            missing_imports,
            'mmdet.structures.INSTANCE_OFFSET',
        ),
        (
            'import mmdet.datasets.onedl',
            missing_imports,
            'mmdet.datasets.onedl',
        ),
        (
            'from mmengine.runner import IterBasedTrainLoop as Loop; '
            'Loop(max_iters=1, fast_forward_on_resume=True)',
            missing_arguments,
            'IterBasedTrainLoop(fast_forward_on_resume=)',
        ),
        (
            "dict(type='mmdet.PhotoMetricDistortion', swap_channels=False)",
            missing_arguments,
            'PhotoMetricDistortion(swap_channels=)',
        ),
    ),
)
def test_a_name_of_onedl_alone_is_found(source, missing, name):
    (found,) = missing(ast.parse(source))
    assert found.startswith('line 1: ') and found.endswith(name)


class Inheriting(BaseModule):
    def init_weights(self):
        return self.is_init


@pytest.mark.parametrize('name', ('init_weights', 'is_init'))
def test_a_member_of_onedl_alone_is_found(monkeypatch, name):
    assert not list(missing_members(Inheriting))
    listing = UPSTREAM['mmengine.model.base_module']['BaseModule']
    monkeypatch.delitem(listing, name)
    (found,) = missing_members(Inheriting)
    assert found == f'mmengine.model.base_module.BaseModule.{name}'
