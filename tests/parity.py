# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Golden cases of the reference implementation, see tests/data/parity."""

import importlib.util
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import projects.maxtron  # noqa: F401, before MMDetection

import numpy as np
import torch
from torch import Tensor

from tools.model_converters.reference_to_maxtron import convert_state_dict

DATA = Path(__file__).parent / 'data' / 'parity'
_ENCODER_LAYER = 'panoptic_head.pixel_decoder.encoder.layers.0.'
_WITHIN_CLIP = 'sem_seg_head.wc_module.within_clip_tracking_module.'
_TEMPORAL_LAYER = (
    f'{_WITHIN_CLIP}transformer.encoder.temporal_layers.0.temporal_layers.0.'
)
# Module of the reference to which the keys of a case are relative, by the
# beginning of the case's name; '' for keys of the whole model.
PREFIXES = dict(
    vis=dict(
        a_=f'{_ENCODER_LAYER}attentions.0.temporal_layer.',
        b_=_ENCODER_LAYER,
        c_='panoptic_head.pixel_decoder.',
        d_='panoptic_head.',
        e_='panoptic_head.',
        i_='panoptic_head.',
    ),
    vps=dict(
        axial_trajectory_layer=_TEMPORAL_LAYER,
        trajectory_layer=_TEMPORAL_LAYER,
        msdeform_layer=f'{_WITHIN_CLIP}transformer.encoder.spatial_layers.0.',
        within_clip_module='sem_seg_head.wc_module.',
        convnext='backbone.',
        cross_clip_module='cross_clip_tracking_module.',
        kmax_pixel_decoder='sem_seg_head.pixel_decoder.',
        transformer_decoder='sem_seg_head.predictor.',
    ),
)


def _import_weights():
    spec = importlib.util.spec_from_file_location(
        'parity_weights', DATA / 'weights.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


weights = _import_weights()


@dataclass
class Case:
    """One golden case.

    Attributes:
        info (dict): The whole json file of the case.
        settings (dict): Settings of the case.
        reference_state (dict[str, Tensor]): Weights by the reference's names.
        state (dict[str, Tensor]): Weights converted by the project, by names
            relative to the same module; for ``transformer_decoder`` to
            ``head.segmenter``, and with a cross-clip tracker to ``head``.
        inputs (dict[str, Tensor]): Generated inputs.
        outputs (dict[str, Tensor]): Stored arrays: expected outputs, and
            inputs that are not generated.
    """

    info: dict
    settings: dict
    reference_state: dict[str, Tensor]
    state: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def load_case(name: str, folder: str = 'vis') -> Case:
    """Load a golden case and check its weights and inputs.

    Args:
        name (str): Name of the case, such as 'c_pixel_decoder'.
        folder (str): Folder under tests/data/parity, one for each part of
            the reference. Defaults to 'vis'.

    Returns:
        Case: The case, on the CPU.

    Raises:
        ValueError: If generated weights or inputs are not those of the case.
    """
    path = DATA / folder / name
    info = json.loads(path.with_suffix('.json').read_text())
    outputs = {}
    if path.with_suffix('.npz').exists():
        with np.load(path.with_suffix('.npz')) as arrays:
            outputs = {k: torch.from_numpy(arrays[k]) for k in arrays.files}
    state = _make_state(info) if 'keys' in info else {}
    for key in [key for key in outputs if key.startswith('override.')]:
        value, key = outputs.pop(key), key.removeprefix('override.')
        if key in state:  # A case may refer to the weights of another case.
            state[key] = value
    inputs = {}
    for key, spec in info.get('inputs', {}).items():
        options = {
            k: spec[k] for k in ('kind', 'low', 'high', 'scale') if k in spec
        }
        array = weights.tensor(key, spec['shape'], spec['seed'], **options)
        if zlib.crc32(np.ascontiguousarray(array).tobytes()) != spec['crc32']:
            raise ValueError(f'Input {key} of {name} is not as recorded.')
        inputs[key] = torch.from_numpy(array)
    prefix = next(
        (
            prefix
            for start, prefix in PREFIXES[folder].items()
            if name.startswith(start)
        ),
        '',
    )
    return Case(
        info,
        info.get('settings', {}),
        state,
        _convert(state, prefix),
        inputs,
        outputs,
    )


def _convert(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Convert weights with names relative to a module."""
    converted = convert_state_dict(state, prefix)
    if prefix == 'panoptic_head.' and any(
        key.startswith('head.') for key in converted
    ):
        # The tracker is not part of the segmenter in this project.
        converted = {
            key.removeprefix('head.')
            if key.startswith('head.')
            else f'segmenter.{key}': value
            for key, value in converted.items()
        }
    return converted


def _make_state(info: dict) -> dict[str, Tensor]:
    """Make the weights of a case by the reference's names."""
    state = weights.make_state(info['keys'], info['seed'])
    for suffix, factor in info.get('rescale', []):
        for key in state:
            if key.endswith(suffix):
                state[key] = (state[key] * np.float32(factor)).astype(
                    np.float32
                )
    if weights.checksum(state) != info['weights_check']:
        raise ValueError(f'Weights of {info["case"]} are not as recorded.')
    return {key: torch.from_numpy(value) for key, value in state.items()}


def assert_parity(
    actual: Tensor, expected: Tensor, rtol: float = 1e-4
) -> None:
    """Compare with a golden array.

    Args:
        actual (Tensor): Output of this project.
        expected (Tensor): Output of the reference.
        rtol (float): Relative tolerance; the absolute one is a tenth of it
            times the standard deviation of ``expected``. Defaults to 1e-4.
    """
    torch.testing.assert_close(
        actual.detach(),
        expected,
        rtol=rtol,
        atol=0.1 * rtol * expected.std().item(),
    )


def assert_norm_parity(
    actual: Tensor, expected: Tensor, rtol: float = 1e-4
) -> None:
    """Compare with a golden array of a deep, randomly weighted network.

    Such a network amplifies the rounding noise of each layer, in the reference
    as well. Therefore ``rtol`` applies to the norm and not to single entries.

    Args:
        actual (Tensor): Output of this project, preferably in float64, so that
            only the reference has noise.
        expected (Tensor): Output of the reference.
        rtol (float): Bound of the L2 norm of the difference relative to that
            of ``expected``. Defaults to 1e-4.
    """
    assert actual.shape == expected.shape
    expected = expected.double()
    error = (actual.detach().double() - expected).norm() / expected.norm()
    assert error < rtol, f'relative error {error:.2e}'
