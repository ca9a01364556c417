# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import difflib
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import InputError
from .hiera import hiera_maps
from .simple_feature_pyramid import pad_to

_STRIDE = 16  # of the map of a plain vision transformer
_STRIDES = (4, 8, 16, 32)


@MODELS.register_module()
class TransformersBackbone(BaseModule):
    """Any vision backbone of Hugging Face ``transformers``.

    Backbones with stages (SwinV2, PVTv2, ConvNeXt, DINOv3 ConvNeXt, Hiera)
    give the maps of their last four stages. Plain vision transformers
    (DINOv2, DINOv3, ViT, ViT-MAE) give their last map, of which ``pyramid``
    makes four levels. The levels have the strides 4, 8, 16 and 32; their
    sides are rounded up, as those of a ResNet.

    An image of any size is padded by zeros to whole patches. Patches of 14
    pixels are brought to the stride 16 by resizing the image by 14 / 16, so
    that the weights see patches of their own size. Position embeddings are
    interpolated as the model does.

    The weights are random until :meth:`init_weights` loads ``weights`` by
    ``transformers``, or ``init_cfg`` loads a checkpoint of this project.
    Building the model needs no network.

    Args:
        config (dict): ``model_type`` of ``transformers``, such as 'dinov2' or
            'swinv2', and arguments of its configuration. Others have the
            defaults of ``transformers``.
        weights (str, optional): Local folder or name on the Hugging Face hub
            to load weights from. Defaults to None.
        pyramid (dict, optional): :class:`SimpleFeaturePyramid` without
            ``in_channels``, for plain vision transformers. Defaults to None:
            ``dict(type='SimpleFeaturePyramid')`` for them.
        frozen (bool): Whether the backbone, without the pyramid, stays as it
            is: in eval mode and without gradients. Defaults to False.
        with_cp (bool): Whether to compute layers again in the backward pass
            rather than to keep their activations. Defaults to False.
        dtype (str, optional): 'bfloat16' or 'float16': type in which the
            backbone, without the pyramid, computes under autocast. Defaults
            to None: as the rest of the model.
        init_cfg (dict, optional): Initialization by a checkpoint of this
            project. Defaults to None.

    Raises:
        InputError: If ``transformers`` is not installed, the model type or an
            argument is unknown, or the model does not have the levels.
    """

    def __init__(
        self,
        config: dict,
        weights: str | None = None,
        pyramid: dict | None = None,
        frozen: bool = False,
        with_cp: bool = False,
        dtype: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.weights = weights
        self.frozen = frozen
        self.dtype = None if dtype is None else getattr(torch, dtype)
        self.model = _build(dict(config))
        self.patch_size: Any = _patch_size(self.model.config)
        self.pyramid = None
        if self.is_plain:
            pyramid = dict(pyramid or dict(type='SimpleFeaturePyramid'))
            self.pyramid = MODELS.build(
                dict(pyramid, in_channels=self.model.config.hidden_size)
            )
        elif pyramid is not None:
            raise InputError(
                f'model.backbone.pyramid is set, but {config["model_type"]} '
                'has stages, which are the levels: remove the key.'
            )
        for name, param in self.model.named_parameters():
            # The maps do not depend on these, and distributed training waits
            # for the gradient of every trained parameter.
            if 'mask_token' in name or name.startswith('pooler.'):
                param.requires_grad_(False)
        if with_cp:
            self.model.activation_checkpointing_enable(
                dict(use_reentrant=False)
            )
        if frozen:
            self.model.requires_grad_(False).eval()

    @property
    def is_plain(self) -> bool:
        """bool: Whether the model is a plain vision transformer."""
        return self.patch_size is not None

    def layer_depths(self) -> dict[nn.Parameter, int]:
        """Count the layers from each parameter to the end of the model.

        The layers of a backbone with stages are its stages.

        Returns:
            dict[nn.Parameter, int]: 0 behind the last layer, 1 in the last
            layer, L in the first of L layers, and L + 1 in the embeddings.
        """
        config = self.model.config
        length = (
            config.num_hidden_layers if self.is_plain else len(config.depths)
        )
        layers = next(
            part
            for part in self.model.modules()
            if isinstance(part, nn.ModuleList) and len(part) == length
        )
        inside = {
            param: length - index
            for index, layer in enumerate(layers)
            for param in layer.parameters()
        }
        depths, outside = {}, length + 1
        for param in self.model.parameters():  # in the order of the model
            if param in inside:
                outside = 0
            depths[param] = inside.get(param, outside)
        return depths

    def init_weights(self) -> None:
        """Load the weights.

        Raises:
            InputError: If ``weights`` cannot be loaded.
        """
        super().init_weights()
        if self.weights is None:
            return
        try:
            loaded = type(self.model).from_pretrained(
                self.weights, config=self.model.config
            )
        except (OSError, RuntimeError, ValueError) as error:
            text = ' '.join(str(error).split())
            raise InputError(
                f'model.backbone.weights={self.weights!r} cannot be loaded: '
                f'{text}'
            ) from error
        self.model.load_state_dict(loaded.state_dict())
        print_log(
            f'Loaded the weights of the backbone from {self.weights}',
            'current',
        )

    def train(self, mode: bool = True) -> 'TransformersBackbone':
        """Set the mode; a frozen backbone stays in eval mode.

        Args:
            mode (bool): Whether to train. Defaults to True.

        Returns:
            TransformersBackbone: Itself.
        """
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the levels.

        Args:
            x (Tensor): Images, shape (N, 3, H, W).

        Returns:
            list[Tensor]: Levels from stride 4 to stride 32, each with shape
            (N, C_i, ceil(H / stride), ceil(W / stride)).
        """
        sizes = [
            (-(-x.shape[2] // stride), -(-x.shape[3] // stride))
            for stride in _STRIDES
        ]
        with torch.no_grad() if self.frozen else nullcontext():
            maps = self._compute(x)
        if self.pyramid is not None:
            return self.pyramid(maps[-1], x, sizes)
        return [
            level[..., :height, :width]
            for level, (height, width) in zip(maps, sizes, strict=True)
        ]

    def _compute(self, x: Tensor) -> list[Tensor]:
        """Run the model on padded images."""
        if self.patch_size is None:
            image = pad_to(x, _STRIDES[-1])
        else:
            image = self._fit_patches(x)
        autocast: Any = nullcontext()
        if self.dtype is not None:
            autocast = torch.autocast(x.device.type, self.dtype)
        with autocast:
            if self.model.config.model_type == 'hiera':
                maps = hiera_maps(self.model, image)
            elif hasattr(self.model, 'out_features'):
                maps = list(self.model(image).feature_maps)
            else:
                maps = [self._read_tokens(image)]
        return [level.to(x.dtype) for level in maps]

    def _fit_patches(self, x: Tensor) -> Tensor:
        """Pad images, and resize them to one patch for each 16 pixels."""
        image = pad_to(x, _STRIDE)
        if self.patch_size != _STRIDE:
            image = F.interpolate(
                image,
                [self.patch_size * n // _STRIDE for n in image.shape[2:]],
                mode='bilinear',
                align_corners=False,
            )
        return image

    def _read_tokens(self, image: Tensor) -> Tensor:
        """Compute the map of a model that returns tokens, patches last."""
        height, width = (n // self.patch_size for n in image.shape[2:])
        kwargs: dict[str, Any] = {}
        if hasattr(self.model.config, 'mask_ratio'):  # ViT-MAE
            # It orders the patches by the noise, even if it masks none.
            order = torch.arange(height * width, device=image.device)
            kwargs['noise'] = order.expand(len(image), -1).to(image)
        tokens = self.model(
            image, interpolate_pos_encoding=True, **kwargs
        ).last_hidden_state
        patches = tokens[:, tokens.shape[1] - height * width :]
        return patches.transpose(1, 2).unflatten(2, (height, width))


def _build(config: dict) -> Any:
    """Build a model of ``transformers`` with random weights."""
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            'TransformersBackbone needs the package transformers: pip '
            'install -r requirements/transformers.txt'
        ) from error
    model_type = config.pop('model_type', None)
    known = transformers.CONFIG_MAPPING
    if model_type not in known:
        near = difflib.get_close_matches(str(model_type), list(known), n=3)
        hint = f' Did you mean {" or ".join(near)}?' if near else ''
        raise InputError(
            f'model.backbone.config.model_type is {model_type!r}, which '
            f'transformers {transformers.__version__} does not have.{hint}'
        )
    default = known[model_type]()
    unknown = [key for key in config if not hasattr(default, key)]
    if unknown:
        raise InputError(
            f'model.backbone.config has {", ".join(unknown)}, which '
            f'{type(default).__name__} of transformers does not have.'
        )
    if getattr(default, 'mask_ratio', None) is not None:
        config['mask_ratio'] = 0.0  # ViT-MAE: all patches are seen
    settings = known[model_type](**config)
    if model_type == 'hiera':
        return transformers.AutoModel.from_config(settings)
    if type(settings) in transformers.AutoBackbone._model_mapping:
        if _patch_size(settings) is None:
            stages = settings.stage_names[-4:]
            settings.set_output_features_output_indices(stages, None)
        return transformers.AutoBackbone.from_config(settings)
    if _patch_size(settings) is None:
        raise InputError(
            f'{model_type} of transformers is neither a backbone with stages '
            'nor a plain vision transformer.'
        )
    return transformers.AutoModel.from_config(settings)


def _patch_size(config: Any) -> int | None:
    """Return the patch size of a plain vision transformer, else None.

    A model with stages has one depth or width for each.
    """
    patch = getattr(config, 'patch_size', None)
    has_stages = any(
        isinstance(getattr(config, key, None), Sequence)
        for key in ('depths', 'hidden_sizes')
    )
    return None if has_stages or not isinstance(patch, int) else patch
