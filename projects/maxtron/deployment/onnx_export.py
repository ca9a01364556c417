# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Export of the networks of a model to ONNX files."""

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec

import torch
from torch import Tensor

from ..errors import InputError
from .graphs import ClipGraph, TrackerGraph, export_graph

# GridSample is an operator since 16; TensorRT 10 reads up to 20.
OPSET = 18
# CPUs compute these in float32 anyway, and sums of ScatterElements only so.
# Half precision cannot address the pixels of large maps.
_KEPT_IN_FLOAT32 = ['GridSample', 'LayerNormalization', 'ScatterElements']


def export_onnx(
    graph: ClipGraph | TrackerGraph,
    *args: Tensor,
    path: str | os.PathLike,
    half: bool = False,
    metadata: Mapping[str, object] = {},
) -> None:
    """Write a network to an ONNX file.

    Args:
        graph (ClipGraph | TrackerGraph): The network.
        *args (Tensor): Examples of its arguments.
        path (str | PathLike): The file.
        half (bool): Whether to convert it to half precision, except for
            inputs and outputs. Defaults to False.
        metadata (Mapping[str, object]): Entries to store in the file.

    Raises:
        InputError: If a package is missing.
    """
    packages = ('onnx', 'onnxscript', *(['onnxruntime'] if half else []))
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(
            f'An export to ONNX needs {" and ".join(missing)}. Run "pip '
            f'install {" ".join(missing)}".'
        )
    import onnx

    for name in ('onnx_ir', 'onnxscript', 'torch.onnx'):
        # They warn of optional packages and of operators they leave alone.
        logging.getLogger(name).setLevel(logging.ERROR)
    program = torch.onnx.export(
        export_graph(graph, *args),
        input_names=list(graph.input_names),
        output_names=list(graph.output_names),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    if half:
        model = _to_half(model)
    onnx.helper.set_model_props(
        model, {key: str(value) for key, value in metadata.items()}
    )
    onnx.save(model, os.fspath(path))


def _to_half(model):
    """Convert the weights and operators of an ONNX model to float16."""
    from onnxruntime.transformers.float16 import (
        DEFAULT_OP_BLOCK_LIST,
        convert_float_to_float16,
    )

    return convert_float_to_float16(
        model,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_KEPT_IN_FLOAT32],
    )
