# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Transfer of tensors between devices."""

import torch
from torch import Tensor


def copy_to_cpu(*tensors: Tensor) -> list[Tensor]:
    """Copy several tensors to the CPU by one transfer.

    Each transfer from a GPU waits until the GPU has finished its work, so one
    transfer of many tensors takes less time than many transfers.

    Args:
        tensors (Tensor): Tensors of one device, of any shapes and types.

    Returns:
        list[Tensor]: Copies on the CPU, which share one memory.
    """
    if not tensors:
        return []
    # The largest items come first, so that all are aligned.
    order = sorted(
        range(len(tensors)), key=lambda i: -tensors[i].element_size()
    )
    packed = torch.cat(
        [tensors[i].reshape(-1).view(torch.uint8) for i in order]
    ).cpu()
    copies = list(tensors)
    start = 0
    for i in order:
        tensor = tensors[i]
        end = start + tensor.numel() * tensor.element_size()
        copies[i] = packed[start:end].view(tensor.dtype).view(tensor.shape)
        start = end
    return copies


def copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device without waiting for it.

    A plain copy to a GPU waits until the GPU has finished its work.

    Args:
        tensor (Tensor): Any tensor. It may be changed only after the device
            has read it; a temporary one is safe.
        device (torch.device): The device.

    Returns:
        Tensor: The tensor on the device.
    """
    if device.type == 'cuda' and tensor.device.type == 'cpu':
        tensor = tensor.pin_memory()
    # Other accelerators may read the memory after it is free.
    return tensor.to(device, non_blocking=device.type in ('cpu', 'cuda'))
