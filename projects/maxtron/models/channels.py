# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compares configured numbers of channels with those of the features."""

from collections.abc import Sequence

from torch import Tensor


def check_in_channels(
    key: str, in_channels: Sequence[int] | None, features: Sequence[Tensor]
) -> None:
    """Refuse ``in_channels`` that are not those of the incoming features.

    Args:
        key (str): Key of the config that has ``in_channels``.
        in_channels (Sequence[int], optional): Its value; None is not checked.
        features (Sequence[Tensor]): Features, each of shape
            (N, C_i, h_i, w_i).

    Raises:
        ValueError: They differ. The message names the key and the value that
            is right.
    """
    if in_channels is None:
        return
    found = [feature.shape[1] for feature in features]
    if list(in_channels) != found:
        raise ValueError(
            f'{key} is {list(in_channels)}, but the features that come in '
            f'have {found} channels. Set it to {found}, or change the module '
            'that they come from.'
        )
