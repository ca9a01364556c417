# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Weighted sums of rows on CPUs, with fast gradients."""

import warnings

import torch
import torch.nn.functional as F
from scipy.sparse import csc_matrix
from torch import Tensor
from torch.autograd.function import once_differentiable

# PyTorch says once in a process that its sparse matrices may change.
warnings.filterwarnings('ignore', message='Sparse CSR tensor support is in')


class WeightedRowSums(torch.autograd.Function):
    """Sums of rows of a matrix, each with a weight.

    The sums are those of ``embedding_bag``, whose own gradients are slow.
    These gradients are products with the sparse matrix of the weights.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """Compute the sums.

        Args:
            ctx: Context for :meth:`backward`.
            rows (Tensor): Shape (m, d), float32 or float64.
            indices (Tensor): Rows of each sum, int32, shape (n, k). The
                gradient of the weights requires k <= m.
            weights (Tensor): Their weights, shape (n, k).

        Returns:
            Tensor: Shape (n, d).
        """
        ctx.save_for_backward(rows, indices, weights)
        # Tensors without gradient take the faster form of the operator.
        return F.embedding_bag(
            indices,
            rows.detach(),
            mode='sum',
            per_sample_weights=weights.detach(),
        )

    @staticmethod
    @once_differentiable
    def backward(
        ctx, grad: Tensor
    ) -> tuple[Tensor | None, None, Tensor | None]:
        """Compute the gradients of the rows and of the weights."""
        rows, indices, weights = ctx.saved_tensors
        needs_rows, _, needs_weights = ctx.needs_input_grad
        ends = torch.arange(
            0, indices.numel() + 1, indices.shape[1], dtype=indices.dtype
        )
        columns = indices.flatten()
        grad_rows = grad_weights = None
        if needs_rows:  # PyTorch has no fast product with a transpose.
            transpose = csc_matrix(
                tuple(x.numpy() for x in (weights.flatten(), columns, ends)),
                shape=(len(rows), len(indices)),
            )
            grad_rows = torch.from_numpy(transpose @ grad.numpy())
        if needs_weights:
            grad_weights = weights.new_zeros(weights.shape)
            products = torch.sparse_csr_tensor(
                *(ends, columns, grad_weights.view(-1)),
                size=(len(indices), len(rows)),
                check_invariants=False,
            )
            # Another matrix for the result would be a copy of this one first.
            torch.sparse.sampled_addmm(
                products, grad, rows.t(), beta=0, out=products
            )
        return grad_rows, None, grad_weights
