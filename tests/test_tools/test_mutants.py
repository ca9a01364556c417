# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import textwrap

import pytest

from tools.misc.mutants import draw_mutants

CODE = '''
def clamp(value: int = 2, *, strict: bool = False) -> int:
    """Docstring with 7."""
    if value < 3 and not strict:
        raise ValueError(f'{value + 1}')
    print(value)
    return max(value, 3)
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'clamp.py'
    path.write_text(textwrap.dedent(CODE))
    return path


def test_every_change_in_code_but_none_in_text_and_types(file):
    found = [str(mutant) for mutant, _ in draw_mutants(file, 99, 'seed')]
    assert sorted(found) == [
        'bool: False -> True',
        'compare: value < 3 -> value <= 3',
        'drop: print(value) -> pass',
        "drop: raise ValueError(f'{value + 1}') -> pass",
        'name: max -> min',
        "negate: if value < 3 and (not strict): raise ValueError(f'{value + 1}')"
        ' -> if not (value < 3 and (not strict)): raise ValueError('
        "f'{value + 1}')",
        'number: 2 -> 1',
        'number: 2 -> 3',
        'number: 3 -> 2',
        'number: 3 -> 2',
        'number: 3 -> 4',
        'number: 3 -> 4',
        'operator: value < 3 and (not strict) -> value < 3 or not strict',
        'return: return max(value, 3) -> return',
        'swap: max(value, 3) -> max(3, value)',
        'unary: not strict -> strict',
    ]


def test_a_mutant_has_one_change(file):
    results = {}
    for mutant, code in draw_mutants(file, 99, 'seed'):
        module = {}
        exec(code, module)
        try:
            results[str(mutant)] = module['clamp'](4)
        except ValueError:
            results[str(mutant)] = 'error'
    changed = {name: x for name, x in results.items() if x != 4}
    assert changed == {
        'name: max -> min': 3,
        'return: return max(value, 3) -> return': None,
        'operator: value < 3 and (not strict) -> value < 3 or not strict': 'error',
    } | {name: 'error' for name in results if name.startswith('negate')}


def test_draws_depend_on_the_seed_only(file):
    one, again, other = (
        [str(mutant) for mutant, _ in draw_mutants(file, 5, seed)]
        for seed in ('a', 'a', 'b')
    )
    assert len(one) == 5 and one == again and one != other
    lines = [mutant.old.lineno for mutant, _ in draw_mutants(file, 99, 'a')]
    assert lines == sorted(lines)
