# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Comparison of results with expected ones, row by row."""

import json
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, TypeAlias

import torch
from torch import Tensor

from tools.benchmarks.measuring import median_times

Tensors: TypeAlias = Tensor | Sequence[Tensor]


class Checker:
    """Rows of one part.

    Each row is written at once, so that none is lost when the process ends.

    Args:
        stream (TextIO): File for the rows, one line of JSON each.
        device (str): Device to check.
        small (bool): Whether to use small sizes, as on a CPU.
        planted (bool): Whether to change every result before its comparison,
            to see that the check notices it. Defaults to False.
    """

    def __init__(
        self,
        stream: TextIO,
        device: str,
        small: bool = False,
        planted: bool = False,
    ) -> None:
        self._stream = stream
        self.device = device
        self.small = small
        self.planted = planted

    @property
    def is_cuda(self) -> bool:
        """bool: Whether the device is a GPU of CUDA."""
        return self.device.startswith('cuda')

    def measure(self, *functions: Callable[[], object]) -> list[float]:
        """Measure functions in turn; return the median ms of each."""
        return median_times(
            functions, 0.02 if self.small else 1.0, self.is_cuda
        )

    def record(self, case: str, ok: bool = True, **values: Any) -> None:
        """Write a row.

        Args:
            case (str): What the row is about.
            ok (bool): Whether it is as expected. Defaults to True.
            values (dict): Further columns.
        """
        line = json.dumps(dict(case=case, ok=ok, **values), default=str)
        print(line, file=self._stream, flush=True)

    def compare(
        self,
        case: str,
        actual: Tensors,
        expected: Tensors,
        bound: float,
        **values: Any,
    ) -> None:
        """Compare tensors; write a row with their largest difference.

        Args:
            case (str): What is compared.
            actual (Tensor | Sequence[Tensor]): Results of the device.
            expected (Tensor | Sequence[Tensor]): Expected results.
            bound (float): Largest relative difference that is accepted, see
                :func:`relative_difference`.
            values (dict): Further columns.
        """
        largest = self._difference(actual, expected)
        self.record(
            case, largest <= bound, difference=largest, bound=bound, **values
        )

    def compare_each(
        self,
        case: str,
        results: dict[str, tuple[Tensors, Tensors, float]],
        **values: Any,
    ) -> None:
        """Compare several results; write one row with their differences.

        Args:
            case (str): What is compared.
            results (dict): Results, expected ones and bound by the name of
                the column, see :meth:`compare`.
            values (dict): Further columns.
        """
        differences = {
            name: self._difference(actual, expected)
            for name, (actual, expected, _) in results.items()
        }
        ok = all(differences[name] <= results[name][2] for name in results)
        self.record(case, ok, **differences, **values)

    def _difference(self, actual: Tensors, expected: Tensors) -> float:
        """Find the largest relative difference of one or several tensors."""
        if isinstance(actual, Tensor):
            actual, expected = [actual], [expected]
        if self.planted:
            actual = [x.double() * 1.5 + 1 for x in actual]
        return max(map(relative_difference, actual, expected), default=0.0)

    def compare_labels(
        self,
        case: str,
        actual: Tensor,
        expected: Tensor,
        bound: float,
        **values: Any,
    ) -> None:
        """Compare integers; write a row with the share that differs.

        Args:
            case (str): What is compared.
            actual (Tensor): Results of the device.
            expected (Tensor): Expected results, with the same shape.
            bound (float): Largest share of different entries that is accepted.
            values (dict): Further columns.
        """
        if self.planted:
            actual = actual + 1
        share = 1.0
        if actual.shape == expected.shape:
            share = (actual.cpu() != expected.cpu()).double().mean().item()
        self.record(
            case,
            not share > bound,
            different_share=share,
            bound=bound,
            **values,
        )

    @contextmanager
    def guard(self, case: str) -> Iterator[None]:
        """Turn an error of a block into a failed row; go on with the next.

        Args:
            case (str): What the block is about.
        """
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            name = type(error).__name__
            text = ' '.join(str(error).split())[:300]
            self.record(case, ok=False, error=f'{name}: {text}')


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Compute the norm of a difference over the norm of the expected tensor.

    Returns:
        float: Infinite if a value is not finite or the shapes differ.
    """
    actual, expected = (x.detach().cpu().double() for x in (actual, expected))
    if actual.shape != expected.shape:
        return math.inf
    norm = expected.norm() if expected.any() else torch.tensor(1.0)
    ratio = ((actual - expected).norm() / norm).item()
    return ratio if math.isfinite(ratio) else math.inf
