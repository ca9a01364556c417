# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hook that stops a run whose initial weights belong to another model."""

import os
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from ...weights import CheckpointError
from ..checkpoint import load_initial_weights
from ..pretrained_parts import check_pretrained_parts
from ..start_checkpoints import check_load_from


@HOOKS.register_module()
class InitialWeightsHook(Hook):
    """Refuse a checkpoint that leaves most of the model untrained.

    MMEngine loads the matching weights of ``load_from`` and warns about the
    others. A run with a wrong file, or with frozen random weights because
    there is no checkpoint, would only be noticed by its results.
    """

    def __init__(self) -> None:
        self._has_loaded = False

    def before_run(self, runner: Runner) -> None:
        """Check that the file exists, and the files of ``init_cfg``.

        Only the first process of each machine reads the latter. MMEngine then
        initialises the model.

        Args:
            runner (Runner): The runner.

        Raises:
            CheckpointNotFoundError: If ``load_from`` is neither a URL nor a
                file.
            CheckpointError: See :func:`check_pretrained_parts`.
        """
        path = runner.cfg.get('load_from')
        if path and '://' not in path and not Path(path).is_file():
            check_load_from(path)
        is_training = isinstance(
            getattr(runner, '_train_loop', None), BaseLoop
        )
        if is_training and not int(os.environ.get('LOCAL_RANK', 0)):
            check_pretrained_parts(runner.model)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights before MMEngine loads them.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): Content of the file.

        Raises:
            CheckpointError: See :func:`load_initial_weights`.
        """
        path = runner.cfg.get('load_from') or (
            f'The last checkpoint of {runner.work_dir}'
        )
        checkpoint['state_dict'] = load_initial_weights(
            runner.model, checkpoint, path
        )
        self._has_loaded = True

    def before_train(self, runner: Runner) -> None:
        """Check that frozen weights were loaded.

        Args:
            runner (Runner): The runner.

        Raises:
            CheckpointError: If neither ``load_from`` nor ``resume`` is set.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        frozen = getattr(model, 'frozen_parts', ())
        if frozen and not self._has_loaded:
            raise CheckpointError(
                f'{", ".join(frozen)} are frozen (model.freeze_segmenter), '
                'but nothing was loaded, so that their weights are random. '
                'Set load_from to the checkpoint of the first stage, the '
                'near-online training; or train everything: '
                'model.freeze_segmenter=False.'
            )
