# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Parsing of ``--cfg-options KEY=VALUE ...``."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from mmengine.config import DictAction

_BRACKETS = {'[': ']', '(': ')'}
# A path with a beginning of its own: /x, ~/x, ./x, C:\x, \\x, s3://x
_OWN_PATH = re.compile(r'\s*([/~]|\.{1,2}[/\\]|\w:[/\\]|\\\\|\w+://)')
_DIGIT_GROUPS = re.compile(r'\s*[+-]?\d+(_\d+)+')


class CommaList(list):
    """List without brackets, ``a,b``, which might be a text.

    Attributes:
        text (str): The value as given.
    """

    def __init__(self, items: list, text: str) -> None:
        super().__init__(items)
        self.text = text


class OptionAction(DictAction):
    """Argparse action for ``KEY=VALUE`` that does not change paths.

    MMEngine's ``DictAction`` deletes all spaces of a value and splits it at
    every comma, which turns ``out=/data/my results`` into another folder.
    Here a value is

    * a list or a tuple if brackets enclose it: ``[a, b]``, ``[(1, 2), [c]]``.
      Spaces around an element are removed, and spaces inside are kept;
    * a list if it has commas and is not a path: ``1,2`` or ``a,b`` or
      ``/a,/b``, but not ``/a,b/c``;
    * a text, unchanged, if quotes enclose it: ``'/a,/b'`` (protect the quotes
      from the shell). A quoted list is a list, as in MMEngine;
    * otherwise a number, ``True``, ``False``, ``None``, or a text, unchanged.

    Options that are given several times are merged.
    """

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add options to the namespace, see ``argparse.Action``.

        Args:
            parser (ArgumentParser): Parser, which reports arguments without
                '='.
            namespace (Namespace): Namespace to fill with a dict of values by
                dotted key.
            values (Sequence[str]): The arguments.
            option_string (str, optional): The option as written.
        """
        options = dict(getattr(namespace, self.dest, None) or {})
        for argument in values or []:
            key, equals, value = argument.partition('=')
            if not equals or not key.strip():
                parser.error(
                    f'argument {option_string}: "{argument}" is not '
                    'KEY=VALUE. Put quotes around an argument with spaces: '
                    '"KEY=/my folder"'
                )
            options[key.strip()] = parse_value(value)
        setattr(namespace, self.dest, options)


def parse_value(text: str) -> Any:
    """Parse the value of an option.

    Args:
        text (str): The value as it was given.

    Returns:
        Any: See :class:`OptionAction`.
    """
    inner = text.strip()
    if _is_quoted(inner):
        inner = inner[1:-1]
        return _parse_brackets(inner) if _is_bracketed(inner) else inner
    if _is_bracketed(inner):
        return _parse_brackets(inner)
    parts = list(_split(text))
    if len(parts) > 1 and not _is_path(parts):
        return CommaList(_parse_parts(parts), text)
    if _DIGIT_GROUPS.fullmatch(text):
        return text  # int() would accept a name such as 2024_05.
    return DictAction._parse_int_float_bool(text)


def split_path_list(text: str) -> list[str]:
    """Split a text with commas that :func:`parse_value` parsed as one path.

    Args:
        text (str): The text.

    Returns:
        list[str]: The parts, without spaces around them.
    """
    return [part.strip() for part in _split(text)]


def _is_quoted(text: str) -> bool:
    """Return whether one pair of quotes encloses a text."""
    return (
        len(text) > 1
        and text[0] == text[-1]
        and text[0] in '\'"'
        and text[0] not in text[1:-1]
    )


def _is_bracketed(text: str) -> bool:
    """Return whether one pair of brackets encloses a text."""
    if not text or text[0] not in _BRACKETS:
        return False
    depths = list(_depths(text))
    return 0 not in depths[:-1] and depths[-1] == 0


def _parse_brackets(text: str) -> list | tuple:
    """Parse a list or a tuple with its brackets."""
    items = _parse_parts(list(_split(text[1:-1])))
    return tuple(items) if text[0] == '(' else items


def _parse_parts(parts: list[str]) -> list:
    """Parse the elements of a list, which may end with a comma, as in (1,)."""
    if not parts[-1].strip():
        parts = parts[:-1]
    return [parse_value(part.strip()) for part in parts]


def _is_path(parts: list[str]) -> bool:
    """Return whether the parts between commas form one path."""
    has_folders = any('/' in part or '\\' in part for part in parts)
    return has_folders and not all(map(_OWN_PATH.match, parts))


def _split(text: str) -> Iterator[str]:
    """Split a text at the commas outside of brackets and quotes."""
    start = 0
    depths = list(_depths(text))
    if (
        not depths or depths[-1] != 0
    ):  # unbalanced brackets or quotes, which belong to a name
        depths = [0] * len(text)
    for position, (char, depth) in enumerate(zip(text, depths)):
        if char == ',' and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _depths(text: str) -> Iterator[int]:
    """Count the open brackets and quotes after each character."""
    closing = []
    for position, char in enumerate(text):
        quoted = closing and closing[-1] in '\'"'
        if closing and char == closing[-1]:
            closing.pop()
        elif char in _BRACKETS and not quoted:
            closing.append(_BRACKETS[char])
        elif char in '\'"' and not quoted and _starts_item(text[:position]):
            closing.append(char)
        yield len(closing)


def _starts_item(before: str) -> bool:
    """Return whether a quote after this text opens an element."""
    return not before.strip() or before.rstrip()[-1] in ',[('
