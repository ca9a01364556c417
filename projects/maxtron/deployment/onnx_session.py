# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Graphs in ONNX Runtime."""

import os
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError

# Providers of ONNX Runtime by their name here, in the order of preference.
PROVIDERS = dict(
    tensorrt='TensorrtExecutionProvider',
    cuda='CUDAExecutionProvider',
    cpu='CPUExecutionProvider',
)


def import_runtime() -> ModuleType:
    """Import ONNX Runtime.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            'ONNX Runtime is not installed. Run "pip install onnxruntime", or '
            '"pip install onnxruntime-gpu" for a GPU.'
        ) from error
    return onnxruntime


class OnnxSession:
    """Graph in ONNX Runtime, called with tensors like a module.

    Inputs and outputs stay on their device: both libraries use the same
    memory.

    Args:
        path (str | PathLike): The .onnx file.
        provider (str): One of :data:`PROVIDERS`. Defaults to 'cpu'.

    Attributes:
        metadata (dict[str, str]): Metadata of the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If ONNX Runtime is not installed, does not have the
            provider or cannot read the file.
    """

    def __init__(self, path: str | os.PathLike, provider: str = 'cpu') -> None:
        if not os.path.isfile(path):
            raise FileNotFoundError(f'There is no ONNX file {path}.')
        runtime = import_runtime()
        self._device = 'cpu' if provider == 'cpu' else 'cuda'
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = runtime.InferenceSession(
                os.fspath(path), options, _providers(runtime, provider)
            )
        except Exception as error:  # It has no common class of its errors.
            raise InputError(
                f'ONNX Runtime cannot load {path}: {error}. Export it again '
                'by tools/deployment/export_onnx.py.'
            ) from error
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Run the graph.

        Args:
            *inputs (Tensor): Inputs, in the order of the file.

        Returns:
            list[Tensor]: Outputs, on the device of the provider.
        """
        binding = self._session.io_binding()
        sizes: dict[str | int, int] = {}  # of dynamic axes, by name
        kept = []
        for node, x in zip(self._session.get_inputs(), inputs, strict=True):
            x = x.to(self._device, _dtype(node.type)).contiguous()
            sizes.update(zip(node.shape, x.shape))
            kept.append(_bind(binding.bind_input, node.name, x))
        outputs = []
        for node in self._session.get_outputs():
            shape = [sizes.get(size, size) for size in node.shape]
            out = torch.empty(
                shape, dtype=_dtype(node.type), device=self._device
            )
            outputs.append(_bind(binding.bind_output, node.name, out))
        if self._device == 'cuda':
            torch.cuda.current_stream().synchronize()
        self._session.run_with_iobinding(binding)
        return outputs


def _providers(runtime: ModuleType, provider: str) -> list[str]:
    """List a provider and those that take over what it does not support.

    Raises:
        InputError: If ONNX Runtime does not have the provider.
    """
    available = runtime.get_available_providers()
    if provider not in PROVIDERS or PROVIDERS[provider] not in available:
        here = [name for name, full in PROVIDERS.items() if full in available]
        raise InputError(
            f'ONNX Runtime has no provider {provider!r} here, only '
            f'{", ".join(map(repr, here))}. GPUs need "pip install '
            'onnxruntime-gpu" in place of onnxruntime.'
        )
    names = list(PROVIDERS)
    return [
        PROVIDERS[name]
        for name in names[names.index(provider) :]
        if PROVIDERS[name] in available
    ]


def _dtype(onnx_type: str) -> torch.dtype:
    """Convert 'tensor(float)' and the like to a type of PyTorch."""
    name = onnx_type.removeprefix('tensor(').removesuffix(')')
    return dict(float=torch.float32, float16=torch.float16)[name]


def _bind(bind, name: str, x: Tensor) -> Tensor:
    """Bind the memory of a contiguous tensor to an input or output."""
    element_type = np.float16 if x.dtype == torch.float16 else np.float32
    device_id = x.device.index or 0
    bind(
        name,
        x.device.type,
        device_id,
        element_type,
        list(x.shape),
        x.data_ptr(),
    )
    return x
