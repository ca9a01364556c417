# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Stops a run whose initial weights are not those of its model."""

from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..checkpoint import check_initial_weights


@HOOKS.register_module()
class InitialWeightsHook(Hook):
    """Refuses a checkpoint that leaves most of the model untrained.

    MMEngine loads what fits of ``load_from`` and warns of the rest; a run
    that began with a wrong file would be noticed by its results only. So
    would one that freezes random weights, because there is no checkpoint.
    """

    def __init__(self) -> None:
        self._has_loaded = False

    def before_run(self, runner: Runner) -> None:
        """Check that the file is there.

        Args:
            runner (:obj:`Runner`): The runner.

        Raises:
            FileNotFoundError: ``load_from`` is no URL and no file.
        """
        path = runner.cfg.get('load_from')
        if path and '://' not in path and not Path(path).is_file():
            raise FileNotFoundError(
                f'load_from of the config is {path}, which does not exist. '
                'The README next to the config says how to get initial '
                'weights; --cfg-options load_from=FILE takes others, and '
                'load_from=None begins without (then see to the backbone '
                'with model.backbone.init_cfg).'
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check what was read, before it is loaded.

        Args:
            runner (:obj:`Runner`): The runner.
            checkpoint (dict): Content of the file.

        Raises:
            ValueError: See :func:`check_initial_weights`.
        """
        path = runner.cfg.get('load_from') or (
            f'The last checkpoint of {runner.work_dir}'
        )
        checkpoint['state_dict'] = check_initial_weights(
            runner.model, checkpoint, path
        )
        self._has_loaded = True

    def before_train(self, runner: Runner) -> None:
        """Check that something was loaded where not all is trained.

        Args:
            runner (:obj:`Runner`): The runner.

        Raises:
            ValueError: There is neither ``load_from`` nor ``resume``.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        frozen = getattr(model, 'frozen_parts', ())
        if frozen and not self._has_loaded:
            raise ValueError(
                f'{", ".join(frozen)} are frozen (model.freeze_segmenter), '
                'but nothing was loaded, so that their weights are random. '
                'Set load_from to the checkpoint of the first stage, the '
                'near-online training; or train everything: '
                'model.freeze_segmenter=False.'
            )
