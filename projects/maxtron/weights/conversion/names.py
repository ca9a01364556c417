# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Common parts of the rules of all code bases."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from re import Pattern

Renames = tuple[tuple[str, str], ...]

# Ends of names in modules with weights, and in batch normalisation.
WEIGHT = 'weight'
AFFINE = '(weight|bias)'
STATISTICS = '(weight|bias|running_mean|running_var|num_batches_tracked)'


@dataclass(frozen=True)
class Names:
    """Names of one code base and their translation.

    Attributes:
        title (str): Description of the checkpoints, for messages.
        known (Pattern): Pattern of all full names of the code base.
        rename (Callable): Translation of a full name, or of its beginning up
            to a dot.
        dropped (tuple): Pairs of a pattern, which matches the beginning of
            names to skip, and the reason.
        explain (Callable, optional): Returns a hint for a list of unknown
            names. Defaults to None.
    """

    title: str
    known: Pattern
    rename: Callable[[str], str]
    dropped: tuple[tuple[Pattern, str], ...] = ()
    explain: Callable[[Iterable[str]], str] | None = None


def any_of(*patterns: str) -> Pattern:
    """Join patterns of whole names."""
    return re.compile('|'.join(f'(?:{pattern})' for pattern in patterns))


def conv_bn(
    name: str, conv: str = WEIGHT, norm: str = STATISTICS
) -> tuple[str, str]:
    """Write patterns for a convolution and its norm in the VPS code."""
    return rf'{name}\.conv\.{conv}', rf'{name}\.norm\.{norm}'


def replace(renames: Renames, key: str) -> str:
    """Apply regular expressions in their order to a name."""
    for pattern, new in renames:
        key = re.sub(pattern, new, key)
    return key
