# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Count the FLOPs and parameters of a model by part, per frame and per clip.

    python tools/analysis_tools/get_flops.py CONFIG [--shape H W]
        [--num-frames T] [--num-clips K] [--cfg-options KEY=VALUE ...]

A multiply-add is one FLOP, as in MMDetection and in most papers. The count
includes convolutions, linear layers, matrix products (also of einsum and
attention), and 4 FLOPs per value for the bilinear sampling of deformable
attention. It excludes norms, activations, softmax, resizing and elementwise
products, and the parts without weights: post-processing and the linking of
clips.

The cost of a cross-clip tracker per clip depends on the number of clips. For
models in mode 'offline' the tool therefore counts a video of --num-clips
clips.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

from projects.maxtron.engine import check_sections, explain_unknown_arguments
from projects.maxtron.engine.cli import (
    make_parser,
    positive_int,
    read_config,
    report_errors,
)
from projects.maxtron.errors import InputError
from projects.maxtron.models import MaXTron
from projects.maxtron.testing import frame_size

import torch
from mmdet.registry import MODELS
from mmengine.analysis.print_helper import _format_size
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

aten = torch.ops.aten


# Formulas of operators that PyTorch's counter does not count. Like those of
# the counter, they yield 2 per multiply-add.
def _sdpa_flops(query, key, value, *args, **kwargs):
    return sdpa_flop_count(query, key, value)


def _bag_flops(rows, indices, *args, **kwargs):
    return 2 * indices.numel() * rows[1]


FORMULAS = {
    aten._embedding_bag_forward_only: _bag_flops,
    aten._scaled_dot_product_flash_attention_for_cpu: _sdpa_flops,
    aten.grid_sampler_2d: lambda *args, out_shape, **kwargs: (
        2 * 4 * out_shape.numel()
    ),
}


class Part(NamedTuple):
    """Cost of a part of the model.

    Attributes:
        flops (int): Multiply-adds of ``num_clips`` clips.
        num_clips (int): Number of clips that ``flops`` covers.
        params (int): Number of parameters.
    """

    flops: int
    num_clips: int
    params: int


def count_flops(function: Callable, *args) -> tuple[object, int]:
    """Call a function and count its multiply-adds.

    Returns:
        tuple[object, int]: The result of the call, and the count.
    """
    counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
    with torch.no_grad(), counter:
        result = function(*args)
    return result, counter.get_total_flops() // 2


def build_model(cfg: Config) -> MaXTron:
    """Build the model with random weights.

    Raises:
        InputError: If the model is not a MaXTron.
    """
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    kind = MODELS.get(cfg.model.type)
    if kind is None or not issubclass(kind, MaXTron):
        raise InputError(
            f'The config is that of a {cfg.model.type}; take '
            'tools/analysis_tools/get_flops.py of MMDetection for it.'
        )
    cfg.model.backbone.init_cfg = None  # Download nothing.
    with explain_unknown_arguments(cfg):
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
    return model.eval().requires_grad_(
        False
    )  # The counter requires evaluation mode.


def count_parts(
    model: MaXTron, inputs: torch.Tensor, num_clips: int
) -> dict[str, Part]:
    """Count the cost of all parts of a model, in the order of the data.

    Args:
        model (MaXTron): The model. Its backbone loses its weights.
        inputs (Tensor): A preprocessed clip, shape (1, T, 3, H, W).
        num_clips (int): Number of clips of a video, which a tracker processes
            together.

    Returns:
        dict[str, Part]: Costs by the name of the part.
    """
    parts, num_frames = {}, inputs.shape[1]

    def count(name: str, module: nn.Module, function: Callable, *args):
        result, flops = count_flops(function, *args)
        parts[name] = Part(flops, 1, num_params(module))
        return result

    # The backbone runs on shapes only, as large backbones take minutes to
    # compute. The head needs values: autocast does not know the device 'meta'.
    backbone = model.backbone.to('meta')
    feats = count(
        'backbone', backbone, backbone, inputs.flatten(0, 1).to('meta')
    )
    feats = [torch.zeros_like(x, device='cpu') for x in feats]
    if model.neck is not None:
        feats = count('neck', model.neck, model.neck, feats, num_frames)
    head = model.head
    clip = count('segmenter', head.segmenter, head, feats, num_frames)
    if head.mode == 'offline':
        queries = clip.queries.repeat(num_clips, 1, 1)  # (K, Q, D)
        (_, embeds), video = count_flops(head.refine, queries)
        _, masks = count_flops(
            head.query_heads.segment, embeds[:1], clip.mask_feats
        )
        parts['tracker'] = Part(
            video + num_clips * masks,
            num_clips,
            num_params(head.tracker, head.tracker_heads),
        )
    return parts


def num_params(*modules: nn.Module | None) -> int:
    """Count the parameters of modules, which may be None."""
    return sum(p.numel() for p in nn.ModuleList(modules).parameters())


def format_table(parts: dict[str, Part], num_frames: int) -> str:
    """Format the parts and their sum as a Markdown table."""
    a_clip = {name: p.flops / p.num_clips for name, p in parts.items()}
    rows = [(name, part.params, a_clip[name]) for name, part in parts.items()]
    total = sum(a_clip.values())
    rows.append(('all', sum(p.params for p in parts.values()), total))
    lines = [
        '| Part | Params | Flops a frame | Flops a clip | Share |',
        '| :-- | --: | --: | --: | --: |',
    ]
    for name, params, flops in rows:
        cells = (
            name,
            *(
                _format_size(int(x))
                for x in (params, flops / num_frames, flops)
            ),
            f'{flops / total:.1%}',
        )
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def make_flops_parser() -> argparse.ArgumentParser:
    """Make the parser of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument(
        '--shape',
        type=positive_int,
        nargs=2,
        metavar=('H', 'W'),
        help='height and width of the frames before padding or, for models '
        'with a canvas, of the canvas (default: as in the config)',
    )
    parser.add_argument(
        '--num-frames',
        type=positive_int,
        help='frames per clip (default: as in testing)',
    )
    parser.add_argument(
        '--num-clips',
        type=positive_int,
        default=10,
        help='clips per video for offline models (default: %(default)s)',
    )
    return parser


@report_errors()
def main(argv: list[str] | None = None) -> None:
    parser = make_flops_parser()
    args = parser.parse_args(argv)
    cfg = read_config(parser, args)
    check_sections(cfg, {'model': 'type'}, 'give a config of a model.')
    if args.shape and 'input_size' in cfg.model.data_preprocessor:
        cfg.model.data_preprocessor.input_size = tuple(args.shape)
    model = build_model(cfg)
    shape = tuple(args.shape or frame_size(cfg))
    num_frames = args.num_frames or (
        1 if type(model).__name__ == 'ImageMaXTron' else model.head.clip_len
    )
    inputs = model.data_preprocessor.preprocess_clip(
        [torch.zeros(3, *shape)] * num_frames
    )
    parts = count_parts(model, inputs, args.num_clips)

    pad_shape = tuple(inputs.shape[-2:])
    flops = sum(part.flops / part.num_clips for part in parts.values())
    line = '=' * 30
    if pad_shape != shape:
        print(
            f'{line}\nUse size divisor set input shape from {shape} to '
            f'{pad_shape}'
        )
    print(f'{line}\nCompute type: direct: a clip of zeros')
    if 'tracker' in parts:
        print(f'Mode: offline, {args.num_clips} clips a video')
    print(
        f'Input shape: {num_frames} x {pad_shape}\n'
        f'Flops: {_format_size(int(flops / num_frames))} a frame, '
        f'{_format_size(int(flops))} a clip\n'
        f'Params: {_format_size(sum(p.params for p in parts.values()))}\n'
        f'{line}\n\n{format_table(parts, num_frames)}\n\n'
        'A multiply-add is one FLOP. The count includes convolutions, linear '
        'layers, matrix\nproducts (also of attention) and bilinear sampling '
        '(4 per value). It excludes norms,\nactivations, softmax, resizing, '
        'elementwise products and post-processing.'
    )


if __name__ == '__main__':
    main()
