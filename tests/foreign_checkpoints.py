# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checkpoints of other code bases, in their formats and with their names.

The names are those of the recorded key lists of the real models. A tiny model
of the same architecture has a part of them.
"""

import gzip
import json
import pickle
from collections import OrderedDict
from functools import cache
from pathlib import Path

from projects.maxtron.weights import convert_state_dict

import torch
from torch import Tensor

from tests.parity import DATA


@cache
def read_keys(name: str) -> dict[str, int]:
    """Read the keys of a reference model and their numbers of dimensions.

    Args:
        name (str): A list below tests/data/parity, without suffix:
            'vis/keys_cc_r50_ovis' or 'vps/keys/kmax_r50'.

    Returns:
        dict[str, int]: Number of dimensions by key of the whole model.
    """
    path = DATA / name
    if name.startswith('vis'):
        content = path.with_suffix('.json').read_text()
        prefix = 'panoptic_head.'
    else:
        content = gzip.decompress(Path(f'{path}.json.gz').read_bytes())
        prefix = ''
    return {
        f'{prefix}{key}': len(shape)
        for key, shape, _ in json.loads(content)['keys']
    }


@cache
def _sources(name: str) -> dict[str, tuple[str, ...]]:
    """Map each key of this project to the keys of the reference."""
    keys = list(read_keys(name))
    numbered = {
        key: torch.full((1,) * read_keys(name)[key], i)
        for i, key in enumerate(keys)
    }
    return {
        key: tuple(keys[i] for i in value.flatten().tolist())
        for key, value in convert_state_dict(numbered).items()
    }


def _find_sources(key: str, name: str) -> tuple[str, ...]:
    """Find the keys of the reference for a key of this project."""
    known = _sources(name)
    if key in known:
        return known[key]
    if '.pixel_decoder.stages.0.0.shortcut.' in key:
        # Other channels need a shortcut in a stage where the real ones do not.
        sources = known[key.replace('stages.0.', 'stages.1.')]
        return tuple(
            source.replace('_stages.1.', '_stages.0.') for source in sources
        )
    assert key.startswith('backbone.'), key
    return (key,)  # The lists of the VIS code are of the head alone.


def to_reference(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Give the weights of a model the names and shapes of the reference.

    Args:
        state (dict[str, Tensor]): Weights of this project.
        name (str): List of the keys, see :func:`read_keys`.

    Returns:
        dict[str, Tensor]: Weights of the reference.
    """
    foreign = OrderedDict()
    for key, value in state.items():
        sources = _find_sources(key, name)
        parts = value.chunk(len(sources)) if len(sources) > 1 else [value]
        for source, part in zip(sources, parts, strict=True):
            dims = read_keys(name).get(source, part.dim())
            if 'grn' in source:
                part = part.reshape((1,) * (dims - 1) + (-1,))
            foreign[source] = part[(...,) + (None,) * (dims - part.dim())]
    return foreign


def write_pickle(path: Path, weights: dict[str, Tensor]) -> None:
    """Write weights as the model zoo of Detectron2: a pickle of arrays."""
    arrays = {key: value.numpy() for key, value in weights.items()}
    content = dict(
        model=arrays, __author__='torchvision', matching_heuristics=True
    )
    path.write_bytes(pickle.dumps(content, 2))
