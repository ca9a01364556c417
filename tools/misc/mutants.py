# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Single changes of Python code, for ``mutation_test.py``."""

import ast
import copy
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

PAIRS = (
    'Lt LtE Gt GtE Eq NotEq Is IsNot In NotIn And Or Add Sub Mult Div '
    'FloorDiv Mod BitAnd BitOr LShift RShift min max amin amax argmin argmax '
    'minimum maximum any all floor ceil zeros ones zeros_like ones_like'
).split()
PARTNERS = dict(zip(PAIRS, PAIRS[1:])) | dict(zip(PAIRS[1::2], PAIRS[::2]))


class Mutant(NamedTuple):
    """Change of one node: the parent's ``field`` gets the new value."""

    kind: str
    parent: ast.AST
    field: str
    value: object
    old: ast.AST
    new: ast.AST
    lines: range  # of the statement
    scope: range  # of the function or class around it

    def __str__(self) -> str:
        old, new = (
            ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))
            for node in (self.old, self.new)
        )
        return ' '.join(f'{self.kind}: {old[:150]} -> {new[:150]}'.split())


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield the kind of each change of a node, and the changed node."""

    def swap(**fields: object) -> ast.AST:
        other = copy.copy(node)
        vars(other).update(fields)
        return other

    operator = getattr(node, 'op', None) or getattr(node, 'ops', [None])[0]
    partner = PARTNERS.get(type(operator).__name__)
    match node:
        case ast.Compare() if partner:
            yield 'compare', swap(ops=[getattr(ast, partner)(), *node.ops[1:]])
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp() if partner:
            yield 'operator', swap(op=getattr(ast, partner)())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield 'unary', node.operand
        case ast.If() | ast.IfExp() | ast.While():
            yield 'negate', swap(test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Constant(value=bool()):
            yield 'bool', swap(value=not node.value)
        case ast.Constant(value=int()):
            yield 'number', swap(value=node.value + 1)
            yield 'number', swap(value=node.value - 1)
        case ast.Constant(value=float()):
            yield 'number', swap(value=node.value * 2 or 1.0)
        case ast.Slice(lower=lower, upper=upper):
            yield from [('slice', swap(lower=None))] if lower else []
            yield from [('slice', swap(upper=None))] if upper else []
        case ast.Return(value=ast.AST()):
            yield 'return', swap(value=None)
        case ast.Raise() | ast.Continue() | ast.Break() | ast.AugAssign():
            yield 'drop', ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield 'drop', ast.Pass()
        case ast.Call():
            if len(node.args) > 1:
                yield 'swap', swap(args=[*node.args[1::-1], *node.args[2:]])
            for i in range(len(node.keywords)):
                rest = node.keywords[:i] + node.keywords[i + 1 :]
                yield 'keyword', swap(keywords=rest)
            if isinstance(node.func, ast.Attribute):
                yield 'call', node.func.value
        case ast.Name(id=name) if name in PARTNERS:
            yield 'name', swap(id=PARTNERS[name])
        case ast.Attribute(attr=name) if name in PARTNERS:
            yield 'name', swap(attr=PARTNERS[name])


def find_mutants(
    node: ast.AST, lines: range = range(0), scope: range = range(0)
) -> Iterator[Mutant]:
    """Yield the mutants below a node, except for texts and types."""
    for field, value in ast.iter_fields(node):
        if field in ('annotation', 'returns', 'decorator_list', 'exc'):
            continue
        several = isinstance(value, list)
        for i, child in enumerate(value if several else [value]):
            if not isinstance(child, ast.AST) or isinstance(
                child, (ast.JoinedStr, ast.Import, ast.ImportFrom)
            ):
                continue
            near, around = lines, scope
            if isinstance(child, ast.stmt):
                body = getattr(child, 'body', None)
                end = body[0].lineno - 1 if body else child.end_lineno
                near = range(child.lineno, max(end, child.lineno) + 1)
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                around = range(child.lineno, child.end_lineno + 1)
            for kind, new in changes(child):
                new = ast.copy_location(new, child)
                changed = (
                    [*value[:i], new, *value[i + 1 :]] if several else new
                )
                yield Mutant(
                    kind, node, field, changed, child, new, near, around
                )
            yield from find_mutants(child, near, around)


def draw_mutants(
    path: Path, number: int, seed: str
) -> list[tuple[Mutant, CodeType]]:
    """Draw mutants of a file: first the kind, then the place.

    Args:
        path (Path): The file.
        number (int): Number of mutants; all of them if there are fewer.
        seed (str): Seed of the draw.

    Returns:
        list[tuple[Mutant, CodeType]]: The mutants by line, and
        the code of the file with each of them.
    """
    tree = ast.parse(path.read_text())
    kinds = defaultdict(list)
    for mutant in find_mutants(tree):
        kinds[mutant.kind].append(mutant)
    rng, drawn = random.Random(seed), []
    while kinds and len(drawn) < number:
        kind = rng.choice(sorted(kinds))
        mutant = kinds[kind].pop(rng.randrange(len(kinds[kind])))
        if not kinds[kind]:
            del kinds[kind]
        original = getattr(mutant.parent, mutant.field)
        setattr(mutant.parent, mutant.field, mutant.value)
        code = compile(ast.fix_missing_locations(tree), path, 'exec')
        setattr(mutant.parent, mutant.field, original)
        drawn.append((mutant, code))
    return sorted(drawn, key=lambda entry: entry[0].old.lineno)
