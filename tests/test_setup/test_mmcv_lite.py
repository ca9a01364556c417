# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The placeholder for the compiled operators of MMCV."""

import importlib
import subprocess
import sys
from pathlib import Path

from projects.maxtron._mmcv_lite import (
    has_compiled_operators,
    register_placeholders,
)

import mmcv.ops
import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import (
    multi_scale_deformable_attn_pytorch,
)
from mmcv.utils.ext_loader import check_ops_exist

from tests.processes import exit_code

ROOT = Path(__file__).parents[2]
MODULE = ROOT / 'projects/maxtron/_mmcv_lite.py'
lite = pytest.mark.skipif(has_compiled_operators(), reason='about mmcv-lite')
full = pytest.mark.skipif(
    not has_compiled_operators(), reason='about the full MMCV'
)


def run_alone(code, folder, *flags):
    """Run code with the module under test, and a folder before all others."""
    code = (
        f'import sys, runpy; sys.path.insert(0, {str(folder)!r})\n'
        f'lite = runpy.run_path({str(MODULE)!r})\n{code}'
    )
    return subprocess.run(
        [sys.executable, *flags, '-c', code], capture_output=True, text=True
    )


@lite
def test_calling_an_operator_names_it_and_the_remedy():
    with pytest.raises(NotImplementedError) as error:
        mmcv.ops.nms(torch.rand(2, 4), torch.rand(2), 0.5)
    for words in ('"nms"', 'mmcv-lite', 'mim install onedl-mmcv'):
        assert words in str(error.value)


@lite
def test_placeholder_is_known_as_one():
    before = sys.modules['mmcv._ext']
    register_placeholders()
    assert sys.modules['mmcv._ext'] is before
    assert not has_compiled_operators()
    assert not check_ops_exist()
    assert not hasattr(before, '__path__')


@full
def test_full_mmcv_is_left_alone():
    register_placeholders()
    extension = importlib.import_module('mmcv._ext')
    assert extension.__file__.endswith('.so')
    keep = mmcv.ops.nms(
        torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]]),
        torch.tensor([0.9, 0.8]),
        0.5,
    )[1]
    assert keep.tolist() == [0]


def test_deformable_attention_and_point_sampling_run_on_cpu():
    """The module gives what the plain PyTorch function gives, to 1e-6."""
    torch.manual_seed(0)
    attention = mmcv.ops.MultiScaleDeformableAttention(
        embed_dims=16,
        num_heads=4,
        num_levels=2,
        num_points=2,
        dropout=0.0,
        batch_first=True,
    ).eval()
    shapes = torch.tensor([[4, 5], [2, 3]])
    query, value = torch.rand(2, 7, 16), torch.rand(2, 26, 16)
    points = torch.rand(2, 7, 2, 2)
    found = attention(
        query,
        value=value,
        reference_points=points,
        spatial_shapes=shapes,
        level_start_index=torch.tensor([0, 20]),
    )
    offsets = attention.sampling_offsets(query).view(2, 7, 4, 2, 2, 2)
    weights = attention.attention_weights(query).view(2, 7, 4, 4).softmax(-1)
    places = (
        points[:, :, None, :, None]
        + offsets / shapes.flip(-1)[None, None, None, :, None]
    )
    expected = (
        attention.output_proj(
            multi_scale_deformable_attn_pytorch(
                attention.value_proj(value).view(2, 26, 4, 4),
                shapes,
                places,
                weights.view(2, 7, 4, 2, 2),
            )
        )
        + query
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)

    image = torch.arange(12.0).view(1, 1, 3, 4)
    centres = torch.tensor([[[0.125, 1 / 6], [0.875, 5 / 6]]])
    sampled = mmcv.ops.point_sample(image, centres, align_corners=False)
    torch.testing.assert_close(sampled, torch.tensor([[[0.0, 11.0]]]))


def test_compiled_module_stays_in_place(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / '_ext.py').write_text('compiled = True')
    result = run_alone(
        "lite['register_placeholders']()\n"
        'import mmcv._ext\nassert mmcv._ext.compiled',
        tmp_path,
    )
    assert result.returncode == 0, result.stderr


def test_compiled_module_of_another_torch_is_an_error(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / '_ext.py').write_text(
        'raise ImportError("undefined symbol: _ZN3c10")'
    )
    result = run_alone("lite['register_placeholders']()", tmp_path)
    assert 'do not load with this PyTorch' in result.stderr
    assert 'undefined symbol: _ZN3c10' in result.stderr
    assert 'mim install --force-reinstall' in result.stderr


def test_no_mmcv_is_an_error(tmp_path):
    result = run_alone("lite['register_placeholders']()", tmp_path, '-S')
    assert 'MMCV is not installed. Run "make setup"' in result.stderr


def has_torchvision():
    sys.exit('torchvision' in sys.modules)


@pytest.mark.slow
def test_torchvision_is_not_imported():
    """A fork of the server has imported the package and MMDetection."""
    assert exit_code(has_torchvision) == 0
