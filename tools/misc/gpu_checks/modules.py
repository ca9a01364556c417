# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Each module of the trained models, fed with the inputs of the CPU."""

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from projects.maxtron.models.backbones import ConvNeXt

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from .checker import Checker
from .models import (
    OFFLINE_TINY,
    PRECISIONS,
    TINY,
    autocast,
    build,
    load_trained,
    make_clip,
    tensors_of,
)

# Largest relative difference (of norms) of a module, from its own inputs.
BOUNDS = dict(fp32=1e-3, fp16=2e-2, bf16=1e-1)
NUM_CLIPS = 3
# Calls of a class that are compared.
MAX_CALLS = 6


class Call:
    """A call of a module: copies of its inputs, and its output."""

    def __init__(self, name: str, args: tuple, kwargs: dict) -> None:
        self.name = name
        # Modules may change their inputs in place.
        self.args, self.kwargs = tree_map_only(
            Tensor, torch.clone, (args, kwargs)
        )
        self.output: list[Tensor] = []


@torch.no_grad()
def run(check: Checker) -> None:
    """Compare all modules that have a class of this project or MMDetection."""
    check.record('bounds', **BOUNDS)
    for kind in TINY:
        model = build(OFFLINE_TINY[kind])
        load_trained(model, TINY[kind][1])
        clips = make_clip(model, OFFLINE_TINY[kind], NUM_CLIPS)

        def track(model: Any = model, clips: list[Tensor] = clips) -> None:
            queries = [model.forward_clips(clip).queries for clip in clips]
            model.head.refine(torch.cat(queries))

        _compare_modules(check, kind, model, record_calls(model, track))
    torch.manual_seed(0)
    for version, with_grn in (('V1', False), ('V2', True)):
        backbone = ConvNeXt(
            dict(depths=[1, 1, 2, 1], channels=[16, 32, 64, 128]),
            use_grn=with_grn,
        ).eval()
        for name, parameter in backbone.named_parameters():
            if name.endswith('gamma'):  # They start next to zero.
                nn.init.constant_(parameter, 0.5)
        image = torch.randn(2, 3, 65, 97)
        calls = record_calls(backbone, lambda b=backbone, x=image: b(x))
        _compare_modules(check, f'ConvNeXt {version}', backbone, calls)


def record_calls(model: nn.Module, run: Callable) -> dict[str, list[Call]]:
    """Record the first calls of each class of modules.

    Classes of PyTorch and containers are left out.

    Args:
        model (nn.Module): The model.
        run (Callable): Function that calls it.

    Returns:
        dict[str, list[Call]]: Calls by the name of the class.
    """
    calls: dict[str, list[Call]] = defaultdict(list)
    with ExitStack() as stack:
        for name, module in model.named_modules():
            kind = type(module)
            if kind.__module__.startswith(('torch.', 'mmengine.')):
                continue
            pending: list[Call] = []

            def before(_, args, kwargs, name=name, pending=pending):
                pending.append(Call(name, args, kwargs))

            def after(module, args, output, pending=pending):
                call = pending.pop()
                known = calls[type(module).__name__]
                if len(known) < MAX_CALLS:
                    call.output = [x.clone() for x in tensors_of(output)]
                    known.append(call)

            for hook in (
                module.register_forward_pre_hook(before, with_kwargs=True),
                module.register_forward_hook(after),
            ):
                stack.callback(hook.remove)
        run()
    return calls


def _compare_modules(
    check: Checker, kind: str, model: nn.Module, calls: dict[str, list[Call]]
) -> None:
    """Compare the calls of each class on the device; write a row each."""
    moved = copy.deepcopy(model).to(check.device)
    for name, known in calls.items():
        case = f'{kind}: {name}'
        expected = [x for call in known for x in call.output]
        with check.guard(case):
            check.compare_each(
                case,
                {
                    precision: (
                        _repeat(check.device, moved, known, dtype),
                        expected,
                        BOUNDS[precision],
                    )
                    for precision, dtype in PRECISIONS.items()
                },
                calls=len(known),
            )


def _repeat(
    device: str,
    model: nn.Module,
    calls: Sequence[Call],
    dtype: torch.dtype | None,
) -> list[Tensor]:
    """Repeat calls on the device in a precision; return all outputs."""
    outputs = []
    for call in calls:
        args, kwargs = tree_map_only(
            Tensor, lambda x: x.to(device, copy=True), (call.args, call.kwargs)
        )
        with autocast(device, dtype):
            out = model.get_submodule(call.name)(*args, **kwargs)
        outputs += tensors_of(out)
    return outputs
