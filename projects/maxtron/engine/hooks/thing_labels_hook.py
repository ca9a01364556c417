# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hook that stops a run whose model and dataset have different things."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from ...errors import InputError
from ...structures import thing_flags


@HOOKS.register_module()
class ThingLabelsHook(Hook):
    """Comparison of ``thing_labels`` of a panoptic model with the datasets.

    A model would merge the instances of things that it takes for stuff, and
    split stuff that it takes for things, without an error.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the datasets that the run trains and validates on.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: If model and dataset disagree.
        """
        self._check(runner, 'train')
        if runner.val_loop is not None:
            self._check(runner, 'val')

    def before_val(self, runner: Runner) -> None:
        """Check the dataset of a validation, see :meth:`before_train`."""
        self._check(runner, 'val')

    def before_test(self, runner: Runner) -> None:
        """Check the dataset of a test, see :meth:`before_train`."""
        self._check(runner, 'test')

    @staticmethod
    def _check(runner: Runner, split: str) -> None:
        """Check the dataset of a split."""
        loader = getattr(runner, f'{split}_dataloader')
        metainfo = getattr(loader.dataset, 'metainfo', None) or {}
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        check_thing_labels(model, metainfo, f'the {split} dataset')


def check_thing_labels(model: nn.Module, metainfo: dict, where: str) -> None:
    """Check that a panoptic model and a dataset have the same things.

    Args:
        model (nn.Module): Any model. Models without ``thing_labels`` pass.
        metainfo (dict): Metainfo of the dataset. It passes without
            ``thing_classes``.
        where (str): Name of the dataset for messages.

    Raises:
        InputError: If they differ.
    """
    merge_cfg = getattr(getattr(model, 'head', None), 'merge_cfg', None)
    if not merge_cfg or not metainfo.get('thing_classes'):
        return
    labels = set(merge_cfg['thing_labels'])
    classes = metainfo['classes']
    things = {i for i, flag in enumerate(thing_flags(metainfo)) if flag}
    different = sorted((labels ^ things) & set(range(len(classes))))
    if not different:
        return
    label = different[0]
    raise InputError(
        f'model.head.test_cfg.thing_labels contradicts metainfo of {where}: '
        f'label {label} ({classes[label]!r}) is '
        f'{"a thing" if label in things else "stuff"} in metainfo, but '
        f'{"a thing" if label in labels else "stuff"} of the model'
        f'{_count_others(different)}. Set thing_labels to {sorted(things)}, '
        'or correct thing_classes and stuff_classes in metainfo.'
    )


def _count_others(different: list[int]) -> str:
    """Format the number of further wrong labels."""
    others = len(different) - 1
    return f', and {others} more labels differ' if others else ''
