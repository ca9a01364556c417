# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The exported networks give the results of PyTorch in ONNX Runtime."""

import re
from argparse import Namespace
from contextlib import redirect_stdout
from io import StringIO

from projects.maxtron.apis import MaXTronInferencer
from projects.maxtron.deployment import OnnxSession, export_onnx, tracker_path
from projects.maxtron.errors import InputError

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from tests.footage import (
    INSTANCE_CONFIG,
    PANOPTIC_CONFIG,
    footage,
    read_frames,
    write_checkpoint,
    write_config,
)
from tools.deployment.export_onnx import export_checked, main

pytestmark = pytest.mark.slow
# few layers, since the export of each takes time
SHALLOW = dict(
    instances="""
model['head']['segmenter'].update(
    pixel_decoder=dict(encoder=dict(num_layers=1)),
    transformer_decoder=dict(num_layers=1))
""",
    panoptic="""
model['neck'] = dict(num_blocks=1, temporal_cfg=dict(num_layers=1))
model['head']['segmenter'] = dict(
    transformer_decoder=dict(num_layers=(1, 1, 0)))
""",
)
OPTIONS = dict(instances=['--size', '64', '96'], panoptic=['--tracker'])


def export(kind, tmp_path):
    """Make config, checkpoint, ONNX file and the output of the tool.

    The panoptic model has a tracker.
    """
    content = INSTANCE_CONFIG + SHALLOW[kind]
    if kind == 'panoptic':
        content = PANOPTIC_CONFIG.replace('nearonline', 'offline')
        content += SHALLOW[kind]
    config = str(write_config(tmp_path, content))
    checkpoint = str(
        write_checkpoint(tmp_path / 'small.pth', Config.fromfile(config).model)
    )
    path = tmp_path / 'out' / 'model.onnx'
    with redirect_stdout(StringIO()) as output:
        main([config, checkpoint, '--out', str(path), *OPTIONS[kind]])
    return config, checkpoint, path, output.getvalue()


def check_output(path, output):
    has_tracker = 'tracker.onnx' in output
    assert path.exists() and tracker_path(path).exists() == has_tracker
    rows = re.findall(r'\| \d[\dx]+ *\| (\S+) *\| (\S+)', output)
    assert len(rows) == 5 + 2 * has_tracker
    assert all(float(error) < 1e-5 for row in rows for error in row)


class Scale(nn.Module):
    """A network that ONNX Runtime computes with rounding."""

    input_names, output_names = ('x',), ('y',)

    def forward(self, x):
        rows = torch.zeros(x.shape, dtype=torch.int64)
        return (((x / 3).sin() @ x).scatter_add(0, rows, x),)


def test_a_wrong_file_is_not_written(tmp_path):
    path = tmp_path / 'scale.onnx'
    args = Namespace(half=True, bound=1e-12, threads=[1, 2])
    inputs = torch.rand(30, 30)
    with pytest.raises(InputError, match='compute y like PyTorch.*1e-12'):
        export_checked(Scale(), inputs, str(path), args)
    assert not list(tmp_path.iterdir())
    args.bound = 1e-2
    export_checked(Scale(), inputs, str(path), args)
    assert path.exists()


def check_inferencer(config, checkpoint, path, frames):
    plain = MaXTronInferencer(config, checkpoint, device='cpu')
    inferencer = MaXTronInferencer(config, checkpoint, 'cpu', onnx=path)
    if inferencer.is_panoptic:  # offline: the last clip of 2 is padded
        frames = frames[:5]
    for sample, expected in zip(
        inferencer(frames), plain(frames), strict=True
    ):
        if inferencer.is_panoptic:
            found, wanted = (
                x.pred_panoptic_map.decode() for x in (sample, expected)
            )
            assert (found == wanted).mean() > 0.999
            assert len(np.unique(wanted)) > 1
            continue
        found, wanted = (x.pred_track_instances for x in (sample, expected))
        assert found.instances_id.tolist() == wanted.instances_id.tolist()
        torch.testing.assert_close(found.scores, wanted.scores)
        torch.testing.assert_close(found.bboxes, wanted.bboxes, atol=1, rtol=0)


def check_wrong_use(config, checkpoint, path, tmp_path):
    with pytest.raises(InputError, match="no provider 'cuda'.*'cpu'"):
        MaXTronInferencer(config, checkpoint, onnx=path, provider='cuda')
    with pytest.raises(FileNotFoundError, match='no ONNX file'):
        OnnxSession(tmp_path / 'none.onnx')
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match='cannot load .*broken.onnx'):
        OnnxSession(broken)
    other = tmp_path / 'other.onnx'
    export_onnx(Scale(), torch.rand(2, 2), path=other)
    with pytest.raises(InputError, match='does not state the size'):
        MaXTronInferencer(config, checkpoint, 'cpu', onnx=other)
    inferencer = MaXTronInferencer(config, checkpoint, 'cpu', onnx=path)
    if not inferencer.is_panoptic:  # which has a canvas
        with pytest.raises(InputError, match='--size 96 64'):
            list(inferencer([np.zeros((128, 96, 3), np.uint8)]))


@pytest.mark.parametrize('kind', OPTIONS)
def test_exported_network(kind, tmp_path):
    config, checkpoint, path, output = export(kind, tmp_path)
    check_output(path, output)
    frames = read_frames(footage('carphone_pristine.mp4'), 8)
    check_inferencer(config, checkpoint, path, frames)
    check_wrong_use(config, checkpoint, path, tmp_path)
