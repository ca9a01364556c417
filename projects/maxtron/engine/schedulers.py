# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

from mmdet.registry import PARAM_SCHEDULERS
from mmengine.optim import BaseOptimWrapper
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch.optim import Optimizer

from ..errors import InputError


@PARAM_SCHEDULERS.register_module()
class WarmupPolyLR(LRSchedulerMixin, _ParamScheduler):
    """Polynomial decay, replaced by a linear warm-up at the beginning.

    In step t of n the learning rate is multiplied by
    ``f * (1 - t / w) + t / w`` for t < w, and by ``(1 - t / n)**power`` from
    then on. The decay begins at step 0 and not at the end of the warm-up,
    unlike MMEngine's LinearLR followed by PolyLR. The rate therefore drops to
    ``(1 - w / n)**power`` after the warm-up. This is the training schedule of
    kMaX-DeepLab and MaXTron.

    Args:
        optimizer (Optimizer or OptimWrapper): Optimizer whose learning rate is
            set.
        end (int): Number of steps n, counted from ``begin``. MMEngine's
            runner sets it to the length of the training.
        warmup_iters (int): Length of the warm-up w, in steps. Defaults to 0.
        power (float): Power of the decay. Defaults to 0.9.
        warmup_factor (float): Factor f of the first step. Defaults to 0.001.
        begin (int): First step. Defaults to 0.
        last_step (int): Last completed step, for resuming without a state
            dict. Defaults to -1.
        by_epoch (bool): Whether steps are epochs. Defaults to True.
        verbose (bool): Whether to print every value. Defaults to False.

    Raises:
        InputError: If the warm-up is not shorter than the schedule.
    """

    def __init__(
        self,
        optimizer: Optimizer | BaseOptimWrapper,
        end: int,
        warmup_iters: int = 0,
        power: float = 0.9,
        warmup_factor: float = 0.001,
        begin: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if not 0 <= warmup_iters < end - begin:
            raise InputError(
                f'A warm-up of warmup_iters={warmup_iters} steps does not fit '
                f'into a schedule of {end - begin} steps; set '
                'param_scheduler.0.warmup_iters for a short training.'
            )
        self.warmup_iters = warmup_iters
        self.power = power
        self.warmup_factor = warmup_factor
        super().__init__(
            optimizer,
            begin=begin,
            end=end,
            last_step=last_step,
            by_epoch=by_epoch,
            verbose=verbose,
        )

    def _get_value(self) -> list[float]:
        """Compute the learning rates in step ``last_step``."""
        step = self.last_step
        if step < self.warmup_iters:
            done = step / self.warmup_iters
            factor = self.warmup_factor * (1 - done) + done
        else:
            factor = (1 - step / (self.end - self.begin)) ** self.power
        return [value * factor for value in self.base_values]
