# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What the rules of all code bases have in common."""

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
    """The names of one code base and what they are in this project.

    Attributes:
        title (str): What has these names, for messages.
        known (Pattern): Matches each full name that exists there.
        rename (Callable): Translates a full name, or the beginning of one up
            to a dot.
        dropped (tuple): Pairs of a pattern for the beginning of names that
            are left out, and the reason.
        explain (Callable, optional): Gives a hint on a list of unknown
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
    """Patterns for a convolution and its norm, of the VPS code base."""
    return rf'{name}\.conv\.{conv}', rf'{name}\.norm\.{norm}'


def replace(renames: Renames, key: str) -> str:
    """Apply regular expressions in their order to a name."""
    for pattern, new in renames:
        key = re.sub(pattern, new, key)
    return key
