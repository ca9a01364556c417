# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import logging
from fnmatch import fnmatchcase

from mmdet.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..errors import InputError

_FIELDS = dict(lr_mult='lr', decay_mult='weight_decay')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SeparateMultOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Look up ``lr_mult`` and ``decay_mult`` of ``custom_keys`` separately.

    In MMEngine's constructor a key that matches a parameter determines its
    learning rate *and* its weight decay: ``backbone=dict(lr_mult=0.1)`` also
    disables ``norm_decay_mult`` and ``bias_decay_mult`` in the backbone. This
    constructor takes each multiplier from the longest matching key that has
    it. If there is none, the other rules of ``paramwise_cfg`` apply. A ``*``
    in a key matches any text.

    ``layer_decay`` is the layer-wise decay of learning rates of BEiT and
    ViTDet: with ``k`` layers behind a parameter of the backbone, its learning
    rate, also one of ``custom_keys``, is multiplied by ``layer_decay ** k``.
    A backbone lists these numbers in ``layer_depths()``, as
    :class:`TransformersBackbone` does.

    MMEngine makes a group of each parameter, which an optimizer updates one by
    one. Here parameters with the same settings share a group. All other
    behaviour is that of MMEngine.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: bool | None = None,
    ) -> None:
        """Add the parameters of a module to a list of parameter groups.

        Args:
            params (list[dict]): Parameter groups, extended in place.
            module (nn.Module): The module.
            prefix (str): Name of the module. Defaults to ''.
            is_dcn_module (bool, optional): Whether the module is in a
                deformable convolution. Defaults to None.

        Raises:
            InputError: If ``layer_decay`` is set but no part of the module
                has layers.
        """
        rules = dict(self.paramwise_cfg)
        custom_keys = rules.pop('custom_keys', {})
        factors = _layer_factors(module, rules.pop('layer_decay', None))
        start = len(params)
        DefaultOptimWrapperConstructor(
            dict(optimizer=self.optimizer_cfg), rules
        ).add_params(params, module, prefix, is_dcn_module)
        names = {
            param: f'{prefix}.{name}'.lstrip('.')
            for name, param in module.named_parameters()
        }
        base = dict(lr_mult=self.base_lr, decay_mult=self.base_wd)
        for group in params[start:]:
            name = names[group['params'][0]]
            for mult, field in _FIELDS.items():
                keys = [
                    key
                    for key, value in custom_keys.items()
                    if mult in value and fnmatchcase(name, f'*{key}*')
                ]
                if keys:  # alphabetical order for keys of equal length
                    key = min(keys, key=lambda key: (-len(key), key))
                    group[field] = base[mult] * custom_keys[key][mult]
                    print_log(
                        f'paramwise_options -- {name}:{field}={group[field]}',
                        logger='current',
                        level=logging.INFO,
                    )
            factor = factors.get(group['params'][0])
            if factor is not None:
                group.setdefault('lr', self.base_lr)
                group['lr'] *= factor
        params[start:] = _merge(params[start:])


def _layer_factors(
    module: nn.Module, layer_decay: float | None
) -> dict[nn.Parameter, float]:
    """Find the factors of learning rates of the parameters with layers."""
    if layer_decay is None:
        return {}
    depths = {
        param: depth
        for part in module.modules()
        if hasattr(part, 'layer_depths')
        for param, depth in part.layer_depths().items()
    }
    if not depths:
        raise InputError(
            'optim_wrapper.paramwise_cfg.layer_decay is for a backbone of '
            'type TransformersBackbone, which this model does not have: '
            'remove the key.'
        )
    print_log(
        f'layer_decay={layer_decay}: learning rates of the backbone are '
        f'multiplied by {layer_decay ** max(depths.values()):.3g} at its '
        'input and by 1 behind its last layer',
        logger='current',
    )
    # Parameters behind all layers keep the settings of the others.
    return {param: layer_decay**k for param, k in depths.items() if k}


def _merge(groups: list[dict]) -> list[dict]:
    """Join parameter groups whose settings are equal."""
    merged: dict[tuple, dict] = {}
    for group in groups:
        settings = {k: v for k, v in group.items() if k != 'params'}
        key = tuple(sorted(settings.items()))
        merged.setdefault(key, dict(settings, params=[]))['params'].extend(
            group['params']
        )
    return list(merged.values())
