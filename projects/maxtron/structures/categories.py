# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Categories of a dataset, as metainfo and as a table."""

from collections.abc import Sequence

from ..errors import InputError
from ..json_file import TEXT, Entry, index_by_id

UNLABELLED = 255  # in maps of labels, which are bytes


def check_classes(classes: Sequence[str]) -> None:
    """Check that class names are distinct and that labels fit into a byte.

    Args:
        classes (Sequence[str]): Names of the classes.

    Raises:
        InputError: If there are too many classes, or two have the same name.
    """
    repeated = [name for name in classes if list(classes).count(name) > 1]
    if repeated:
        raise InputError(
            f'metainfo of the dataset lists the class {repeated[0]!r} twice. '
            'Give every class its own name.'
        )
    if len(classes) > UNLABELLED:
        raise InputError(
            f'metainfo of the dataset has {len(classes)} classes, but there '
            f'can be no more than {UNLABELLED}: maps of labels are bytes, and '
            f'{UNLABELLED} stands for no label.'
        )


def thing_flags(metainfo: dict) -> list[bool]:
    """Look up which classes are things.

    Args:
        metainfo (dict): Metainfo of a dataset: ``classes`` and
            ``thing_classes``.

    Returns:
        list[bool]: One flag per label.

    Raises:
        InputError: If one of the two is missing.
    """
    for key in ('classes', 'thing_classes'):
        if metainfo.get(key) is None:
            raise InputError(
                f'metainfo of the dataset has no {key}. Panoptic '
                'segmentation needs classes and thing_classes.'
            )
    things = set(metainfo['thing_classes'])
    return [name in things for name in metainfo['classes']]


def index_categories(top: Entry) -> dict[str, Entry]:
    """Index the categories of a file by their ids.

    Args:
        top (Entry): Top level of the file.

    Returns:
        dict[str, Entry]: Categories by the text of their id.

    Raises:
        InputError: If there is no category, or an id or a name is missing or
            repeated.
    """
    categories = index_by_id(top.entries('categories', 'category'), 'category')
    if not categories:
        raise top.error('categories is empty: list the classes there.')
    for category in categories.values():
        category.require('name', TEXT)
    index_by_id(categories.values(), 'category', 'name')
    return categories


def category_ids(metainfo: dict, first: int = 0) -> list[int | str]:
    """Look up the category ids of the labels in the user's files.

    Args:
        metainfo (dict): Metainfo of a dataset: ``classes`` and, unless ids are
            counted from ``first``, ``category_ids``.
        first (int): Id of label 0 if the metainfo has no ids. Defaults to 0.

    Returns:
        list[int | str]: One id per label.

    Raises:
        InputError: If the number of ids is not that of the classes, or two ids
            are equal.
    """
    count = len(metainfo['classes'])
    ids = list(metainfo.get('category_ids') or range(first, first + count))
    if len({str(i) for i in ids}) != count or len(ids) != count:
        raise InputError(
            'category_ids in metainfo of the dataset must be one id for each '
            f'of the {count} classes, all different, but is {ids}.'
        )
    return ids


def category_metainfo(categories: Sequence[dict]) -> dict:
    """Make metainfo from a table of categories.

    Args:
        categories (Sequence[dict]): Categories in the order of the labels,
            each with ``name``, ``isthing`` and ``color``.

    Returns:
        dict: ``classes``, ``thing_classes``, ``stuff_classes``, ``palette``.
    """
    return dict(
        classes=tuple(c['name'] for c in categories),
        thing_classes=tuple(c['name'] for c in categories if c['isthing']),
        stuff_classes=tuple(c['name'] for c in categories if not c['isthing']),
        palette=[tuple(c['color']) for c in categories],
    )


def metainfo_categories(metainfo: dict) -> list[dict]:
    """Make the table of categories from a dataset's metainfo.

    Args:
        metainfo (dict): ``classes``, ``thing_classes``, ``palette`` and
            optionally ``category_ids``, see :func:`category_ids`.

    Returns:
        list[dict]: ``id``, ``name``, ``isthing`` and ``color`` of every
        category, in the order of the labels.

    Raises:
        InputError: If the number of colours or ids is not that of the classes.
    """
    names, palette = metainfo['classes'], metainfo.get('palette')
    if palette is None or len(palette) != len(names):
        raise InputError(
            'A submission needs a colour for every class: the palette of '
            f'the dataset must have {len(names)} colours.'
        )
    return [
        dict(id=i, name=name, isthing=int(is_thing), color=list(color))
        for i, name, is_thing, color in zip(
            category_ids(metainfo), names, thing_flags(metainfo), palette
        )
    ]
