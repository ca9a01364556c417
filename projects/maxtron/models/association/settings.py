# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checks of ``model.head.association``, which users set by hand."""

import inspect
from collections.abc import Callable
from typing import Any

from ...errors import InputError

PLACE = 'model.head.association'


def check_number(
    name: str, value: Any, rule: str, holds: Callable[[float], bool]
) -> None:
    """Check a number.

    Args:
        name (str): Key in :data:`PLACE`.
        value (Any): Value.
        rule (str): What it must be, for the message.
        holds (Callable[[float], bool]): Whether a number follows the rule.

    Raises:
        InputError: If it is no number or does not follow the rule.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not holds(value):
        raise InputError(f'{PLACE}.{name} is {value!r}, but must be {rule}.')


def check_weights(weights: dict[str, float]) -> None:
    """Check the weights of the cues.

    Raises:
        InputError: If one is no number or negative, or all are 0.
    """
    for name, weight in weights.items():
        check_number(name, weight, 'at least 0', lambda x: x >= 0)
    if not any(weights.values()):
        raise InputError(
            f'{", ".join(weights)} of {PLACE} are all 0; one must be above 0.'
        )


def check_flag(name: str, value: Any) -> None:
    """Check a truth value.

    Raises:
        InputError: If it is another value, such as the text 'no'.
    """
    if not isinstance(value, bool):
        raise InputError(
            f'{PLACE}.{name} is {value!r}, but must be True or False.'
        )


def check_arguments(name: str, value: Any, target: type) -> None:
    """Check the arguments of a part.

    Args:
        name (str): Key in :data:`PLACE`.
        value (Any): Arguments, or None.
        target (type): Class that takes them.

    Raises:
        InputError: If it is no dict, or has keys that are not arguments.
    """
    if value is None:
        return
    known = list(inspect.signature(target).parameters)
    if not isinstance(value, dict):
        raise InputError(
            f'{PLACE}.{name} is {value!r}, but must be a dict or None. On the '
            f'command line, give one of its keys: {PLACE}.{name}.{known[0]}=12'
        )
    for key in value:
        if key not in known:
            raise InputError(
                f'{PLACE}.{name} has the key {key!r}; it takes '
                f'{", ".join(known)}.'
            )
