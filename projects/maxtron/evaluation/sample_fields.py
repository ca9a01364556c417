# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Fields of samples that metrics require."""

from collections.abc import Mapping, Sequence

from mmengine.structures import BaseDataElement

from ..errors import InputError

META_KEYS = (
    'Add it to meta_keys of the step that packs the sample in test_pipeline.'
)
ANNOTATIONS = 'Correct the annotations of the dataset.'


def require_fields(
    item: Mapping | BaseDataElement,
    fields: Sequence[str],
    where: str,
    remedy: str,
) -> None:
    """Check that a sample, or a part of it, has all fields.

    Args:
        item (Mapping | BaseDataElement): The sample or the part.
        fields (Sequence[str]): Names of the fields.
        where (str): Name of the item, for messages.
        remedy (str): Advice if a field is missing.

    Raises:
        InputError: If a field is missing or None, or the item is no object.
    """
    if not isinstance(item, (Mapping, BaseDataElement)):
        raise InputError(
            f'{where} is {item!r}, but must have the fields '
            f'{", ".join(fields)}. {remedy}'
        )
    for field in fields:
        if item.get(field) is None:
            raise InputError(f'{where} has no {field!r}. {remedy}')
