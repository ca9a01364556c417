# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading of users' JSON files with checks of every field."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mmengine.fileio import get

from .errors import InputError

_REQUIRED = object()


class Kind(NamedTuple):
    """Kind of values that a field may have.

    Attributes:
        name (str): Description for messages.
        accepts (callable): Function that returns whether a value is allowed.
    """

    name: str
    accepts: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_whole(value)


ID = Kind(
    'a whole number or a text',
    lambda v: _is_whole(v) or (isinstance(v, str) and v != ''),
)
TEXT = Kind('a text', lambda v: isinstance(v, str) and v != '')
WHOLE = Kind('a whole number', _is_whole)
COUNT = Kind('a whole number from 0', lambda v: _is_whole(v) and v >= 0)
MAX_SIZE = 1 << 20  # limit of OpenCV
SIZE = Kind(
    f'a whole number from 1 to {MAX_SIZE}',
    lambda v: _is_whole(v) and 1 <= v <= MAX_SIZE,
)
NUMBER = Kind('a number', _is_finite)
FLAG = Kind('0 or 1', lambda v: isinstance(v, (bool, int)) and v in (0, 1))
LIST = Kind('a list', lambda v: isinstance(v, list))
BOX = Kind(
    'four numbers [x, y, width, height]',
    lambda v: isinstance(v, list) and len(v) == 4 and all(map(_is_finite, v)),
)


@dataclass(frozen=True)
class Entry:
    """A JSON object of a user's file, with its place for messages.

    Attributes:
        values (dict): The object.
        where (str): Its place, such as ``train.json: annotation 4``.
    """

    values: dict[str, Any]
    where: str

    def __contains__(self, field: str) -> bool:
        return field in self.values

    def error(self, text: str) -> InputError:
        """Make an error that names the entry.

        Args:
            text (str): The fault and the remedy.

        Returns:
            InputError: The error, for the caller to raise.
        """
        return InputError(f'{self.where}: {text}')

    def require(self, field: str, kind: Kind) -> Any:
        """Return a required field.

        Args:
            field (str): Name of the field.
            kind (Kind): Kind of its value.

        Returns:
            Any: The value.

        Raises:
            InputError: If the field is missing or of another kind.
        """
        if field not in self.values:
            fields = ', '.join(map(str, list(self.values)[:10])) or 'none'
            raise self.error(
                f'the field {field!r} is missing. The fields are {fields}.'
            )
        return self.optional(field, kind)

    def optional(self, field: str, kind: Kind, default: Any = None) -> Any:
        """Return a field, or a default if it is missing.

        Args:
            field (str): Name of the field.
            kind (Kind): Kind of its value.
            default (Any): Value of a missing field. Defaults to None.

        Returns:
            Any: The value or the default.

        Raises:
            InputError: If the field is of another kind.
        """
        value = self.values.get(field, _REQUIRED)
        if value is _REQUIRED:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # Some programs write 3 as 3.0.
        if not kind.accepts(value):
            raise self.error(
                f'the field {field!r} is {_shorten(value)}, but must be '
                f'{kind.name}.'
            )
        return value

    def entries(
        self, field: str, noun: str, id_field: str = 'id'
    ) -> list['Entry']:
        """Return a required list of objects.

        Args:
            field (str): Name of the list.
            noun (str): Noun for one of its objects, such as ``video``.
            id_field (str): Field that identifies an object in messages.
                Objects without it are named by their position.
                Defaults to 'id'.

        Returns:
            list[Entry]: The objects.

        Raises:
            InputError: If the field is missing, is not a list, or has an item
                that is not an object.
        """
        result = []
        separator = ', ' if ': ' in self.where else ': '
        for position, item in enumerate(self.require(field, LIST)):
            if not isinstance(item, dict):
                raise self.error(
                    f'item {position} of {field} is {_shorten(item)}, but '
                    'must be an object.'
                )
            name = item.get(id_field)
            where = (
                f'{noun} {name}'
                if ID.accepts(name)
                else f'item {position} of {field}'
            )
            result.append(Entry(item, f'{self.where}{separator}{where}'))
        return result


def load_json(
    path: str, backend_args: dict | None = None, remedy: str = ''
) -> Entry:
    """Read a JSON file whose top level is an object.

    A byte order mark is skipped; UTF-8, UTF-16 and UTF-32 are recognised.

    Args:
        path (str): The file.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.
        remedy (str): Advice if the file does not exist.

    Returns:
        Entry: The top level.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If the file is not JSON, or its top level is not an object.
    """
    content = parse_json(path, backend_args, remedy)
    if not isinstance(content, dict):
        raise InputError(
            f'{path}: the top level is {_shorten(content)}, but must be an '
            'object.'
        )
    return Entry(content, str(path))


def parse_json(
    path: str, backend_args: dict | None = None, remedy: str = ''
) -> Any:
    """Read a JSON file of any content, see :func:`load_json`."""
    try:
        data = get(str(path), backend_args=backend_args)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'The file {path} does not exist. {remedy}'.rstrip()
        ) from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{path} is not a JSON file ({error}). Was it downloaded '
            'completely?'
        ) from error


def index_by_id(
    entries: Iterable[Entry], noun: str, id_field: str = 'id'
) -> dict[str, Entry]:
    """Index entries by their ids, which must be unique.

    Ids are compared by their texts, because some programs write the id 3 of a
    video as ``3`` in one place and as ``"3"`` in another.

    Args:
        entries (Iterable[Entry]): The entries.
        noun (str): Noun for an entry, for messages.
        id_field (str): Field of the id. Defaults to 'id'.

    Returns:
        dict[str, Entry]: Entries by the text of their id.

    Raises:
        InputError: If an id is missing, of a wrong kind or repeated.
    """
    index: dict[str, Entry] = {}
    for entry in entries:
        key = str(entry.require(id_field, ID))
        if key in index:
            raise entry.error(
                f'another {noun} has the same {id_field}. Give every {noun} '
                'its own.'
            )
        index[key] = entry
    return index


def _shorten(value: Any) -> str:
    """Describe a value briefly for a message."""
    if isinstance(value, (dict, list)):
        noun = 'an object' if isinstance(value, dict) else 'a list'
        return f'{noun} of {len(value)}'
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f'{text[:37]}...'
