# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Construction of a model and its transforms for inference."""

import copy
import os
import warnings
from collections.abc import Iterator

from mmcv.transforms import Compose, LoadImageFromFile
from mmdet.datasets.transforms import LoadImageFromNDArray
from mmdet.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from torch import nn

from ..engine import check_sections, load_checkpoint_checked
from ..engine.cli import find_datasets
from ..engine.config_keys import find_node
from ..errors import ConfigKeyError, InputError
from ..models import MaXTron


def is_panoptic_config(config: Config) -> bool:
    """Return whether the model of a config predicts panoptic maps.

    Args:
        config (Config): The config.

    Returns:
        bool: True for panoptic maps, False for instances or other models.
    """
    node = find_node(config.to_dict(), 'model.head.type')
    head = MODELS.get(node) if isinstance(node, str) else node
    return getattr(head, 'result_field', None) == 'pred_panoptic_map'


def build_model(
    config: Config,
    checkpoint: str | os.PathLike | None,
    device: str,
    has_network: bool = False,
) -> nn.Module:
    """Build a model for inference.

    Args:
        config (Config): The config.
        checkpoint (str | PathLike, optional): File, URL or name of weights;
            None: random weights.
        device (str): Device of the model.
        has_network (bool): Whether another runtime computes the network, so
            that near-online inference needs no weights. Defaults to False.

    Returns:
        nn.Module: A :class:`MaXTron` with ``dataset_meta``.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        InputError: If the config does not describe a MaXTron model, the
            checkpoint does not fit it, or offline inference has no weights.
    """
    check_sections(
        config,
        dict(model='type', test_dataloader='dataset'),
        'give a whole config; the test_dataloader has the pipeline for the '
        'frames and the classes.',
    )
    model = revert_sync_batchnorm(MODELS.build(config.model))
    if not isinstance(model, MaXTron):
        raise InputError(
            f'The config is that of a {type(model).__name__}, which cannot '
            'track a video clip by clip. Use one of a MaXTron.'
        )
    meta: dict = {}
    if checkpoint is None and has_network:
        if model.head.mode == 'offline':
            raise InputError(
                'Mode offline needs the checkpoint besides the ONNX file: the '
                'masks of refined queries are made in PyTorch.'
            )
    elif checkpoint is None:
        warnings.warn(
            'No checkpoint is given: the weights are random and '
            'the masks mean nothing.'
        )
    else:
        meta = load_checkpoint_checked(
            model, os.fspath(checkpoint), config=config.filename
        )
    model.dataset_meta = _dataset_meta(config, meta.get('dataset_meta'))
    source = 'the checkpoint'
    if not meta.get('dataset_meta'):
        source = 'test_dataloader.dataset.metainfo.classes of the config'
    _check_num_classes(model, source)
    return model.to(device).eval()


def _check_num_classes(model: MaXTron, source: str) -> None:
    """Refuse names of classes that are not as many as the model's classes."""
    classes = model.dataset_meta.get('classes') or ()
    num_classes = model.head.segmenter.num_classes
    if not classes:
        raise InputError(
            'The config names no classes, since its dataset reads them from '
            'an annotation file. Give a checkpoint of tools/train.py, which '
            'names them, or list them in test_dataloader.dataset.metainfo.'
        )
    if len(classes) != num_classes:
        raise InputError(
            f'The model has {num_classes} classes, but {source} names '
            f'{len(classes)}. Use the config that the checkpoint was trained '
            'with.'
        )


def _dataset_meta(config: Config, trained: dict | None) -> dict:
    """Look up classes, palette and ids of the categories.

    Args:
        config (Config): The config.
        trained (dict, optional): ``dataset_meta`` of the checkpoint.

    Returns:
        dict: The ``dataset_meta`` of the checkpoint, completed by the
        ``category_ids`` of the config; or the metainfo of the test dataset.
    """
    dataset = copy.deepcopy(next(find_datasets(config, 'test')))
    if not trained:
        dataset.lazy_init = True  # The files of the dataset need not exist.
        return DATASETS.build(dataset).metainfo
    stated = (dataset.get('metainfo') or {}).get('category_ids')
    return {'category_ids': stated, **trained} if stated else trained


def build_frame_transforms(config: Config) -> Compose:
    """Build the image transforms of the test pipeline, for one frame.

    Args:
        config (Config): The config.

    Returns:
        Compose: The transforms.

    Raises:
        ConfigKeyError: If the config has no test pipeline.
    """
    pipeline = next(find_datasets(config, 'test')).get('pipeline')
    if pipeline is None:
        raise ConfigKeyError(
            f'{config.filename or "The config"}: test_dataloader.dataset has '
            'no pipeline. It prepares the frames of a video: take that of '
            'the config the checkpoint was trained with.'
        )
    steps = []
    for step_cfg in _flatten(pipeline):
        step = TRANSFORMS.build(step_cfg)
        if isinstance(step, LoadImageFromFile):
            # The frame is in memory; only cast it.
            step = LoadImageFromNDArray(to_float32=step.to_float32)
        elif type(step).__name__.startswith(('Load', 'Pack')):
            continue  # The step loads annotations or packs the sample.
        steps.append(step)
    return Compose(steps)


def _flatten(pipeline: list[dict]) -> Iterator[dict]:
    """List the steps for one frame, without their wrappers for videos."""
    for step in pipeline:
        if 'transforms' in step:
            yield from _flatten(step['transforms'])
        else:
            yield step
