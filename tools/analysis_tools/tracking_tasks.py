# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Small tasks for the two tracking modules, without images and masks."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from projects.maxtron.models.cross_clip import CrossClipTracker
from projects.maxtron.models.within_clip import (
    AxialTrajectoryEncoder,
    SelfAttention,
    TrajectoryAttention,
)

import torch
import torch.nn.functional as F
from mmdet.models.layers import SinePositionalEncoding3D
from torch import Generator, Tensor, nn

IGNORED = -1  # target of an output that does not count


class Batch(NamedTuple):
    """Samples of a task.

    Attributes:
        inputs (Tensor): Inputs of the model.
        targets (Tensor): Label of each output, or ``IGNORED``.
        groups (dict[str, Tensor]): Which outputs belong to each group, whose
            accuracy is reported. Same shape as ``targets``.
    """

    inputs: Tensor
    targets: Tensor
    groups: dict[str, Tensor]


@dataclass
class Correspondence:
    """Dense correspondence in a clip: within-clip tracking.

    A window moves over a texture of random codes, by up to ``max_step`` tokens
    a frame along each axis. Each token is its code with noise, the number of
    its frame, and a random label that changes from frame to frame. For each
    token of the first frame, the labels of the same place of the texture in
    all other frames are to be found.

    Args:
        num_frames (int): Frames T of a clip. Defaults to 3.
        size (int): Height and width of a frame in tokens. Defaults to 5.
        max_step (int): Largest step along an axis. Defaults to 1.
        code_dims (int): Channels of a code. Defaults to 8.
        num_labels (int): Number L of labels. Defaults to 4.
        noise (float): Standard deviation of the noise; that of the codes is
            1. Defaults to 0.1.
    """

    num_frames: int = 3
    size: int = 5
    max_step: int = 1
    code_dims: int = 8
    num_labels: int = 4
    noise: float = 0.1

    @property
    def input_dims(self) -> int:
        """int: Channels of a token."""
        return self.code_dims + self.num_labels + self.num_frames

    def sample(self, batch_size: int, generator: Generator) -> Batch:
        """Draw clips.

        Args:
            batch_size (int): Number of clips B.
            generator (Generator): Source of randomness.

        Returns:
            Batch: Tokens (B, T, H, W, D) and targets (B, H, W, T - 1).
        """
        rest, size = self.num_frames - 1, self.size
        margin = rest * self.max_step
        side = size + 2 * margin
        codes = torch.randn(
            batch_size, side, side, self.code_dims, generator=generator
        )
        labels = torch.randint(
            self.num_labels,
            (batch_size, self.num_frames, side, side),
            generator=generator,
        )
        steps = torch.randint(
            -self.max_step,
            self.max_step + 1,
            (batch_size, rest, 2),
            generator=generator,
        )
        shifts = F.pad(steps.cumsum(1), (0, 0, 1, 0))  # (B, T, 2)
        window = margin + shifts[..., None] + torch.arange(size)
        rows, cols = window[:, :, 0, :, None], window[:, :, 1, None, :]
        clips = torch.arange(batch_size)[:, None, None, None]
        frames = torch.arange(self.num_frames)[:, None, None]
        tokens = codes[clips, rows, cols]  # (B, T, H, W, code_dims)
        noise = torch.randn(tokens.shape, generator=generator)
        number = F.one_hot(frames.expand(-1, size, size))
        inputs = torch.cat(
            [
                tokens + self.noise * noise,
                F.one_hot(labels[clips, frames, rows, cols], self.num_labels),
                number.expand(batch_size, -1, -1, -1, -1),
            ],
            -1,
        )
        first = slice(margin, margin + size)
        targets = labels[:, 1:, first, first].permute(0, 2, 3, 1)
        moved = shifts[:, 1:]  # (B, T - 1, 2)
        place = (
            torch.arange(size)[:, None] - moved.permute(0, 2, 1)[:, :, None]
        )
        inside = (place >= 0) & (place < size)  # (B, 2, size, T - 1)
        seen = inside[:, 0, :, None] & inside[:, 1, None]
        straight = (moved == 0).any(-1)[:, None, None].expand_as(seen)
        return Batch(
            inputs,
            targets.masked_fill(~seen, IGNORED),
            {
                'all': seen,
                'along an axis': seen & straight,
                'diagonal': seen & ~straight,
            },
        )


class CorrespondenceModel(nn.Module):
    """Layers of within-clip tracking between two linear layers.

    Args:
        task (Correspondence): The task.
        attn_type (str, optional): See ``AxialTrajectoryLayer``; None: the
            layers consist of their feed-forward networks.
        num_layers (int): Number of layers.
        embed_dims (int): Number of channels C. Defaults to 48.
    """

    def __init__(
        self,
        task: Correspondence,
        attn_type: str | None,
        num_layers: int,
        embed_dims: int = 48,
    ) -> None:
        super().__init__()
        self.shape = task.num_frames, task.size, task.size
        self.embed = nn.Linear(task.input_dims, embed_dims)
        self.position = SinePositionalEncoding3D(
            embed_dims // 2, normalize=True
        )
        self.layers = AxialTrajectoryEncoder(
            num_layers,
            embed_dims=embed_dims,
            num_heads=4,
            feedforward_channels=2 * embed_dims,
            attn_type=attn_type or 'self_attention',
        )
        for module in self.layers.modules():
            if isinstance(module, (SelfAttention, TrajectoryAttention)):
                module.init_weights(nn.init.xavier_uniform_)
        if attn_type is None:
            for layer in self.layers:
                layer.temporal_attn = _NoAttention()
        self.read_out = nn.Linear(
            embed_dims, (task.num_frames - 1) * task.num_labels
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Tokens (B, T, H, W, D) -> logits (B, H, W, T - 1, L)."""
        position = self.position(inputs.new_zeros(1, *self.shape))
        x = self.layers(self.embed(inputs), position.permute(0, 1, 3, 4, 2))
        logits = self.read_out(x[:, 0])
        return logits.unflatten(-1, (self.shape[0] - 1, -1))


class _NoAttention(nn.Module):
    """Attention whose output is zero."""

    def forward(self, query: Tensor, *args, **kwargs) -> Tensor:
        """Forward function."""
        return torch.zeros_like(query)


@dataclass
class ReAssociation:
    """Re-association of the queries of a video: cross-clip tracking.

    Each of the first slots belongs to one object, and the others are spare.
    Queries hold the code of an object with noise and a random label that
    changes from clip to clip. For one to three clips, two slots are swapped,
    or an object is missing. After such a gap, half of the objects return in a
    spare slot for one to three clips. Each slot is to give the label of its
    own object in each clip, wherever the object is, or that it is missing.

    Args:
        num_clips (int): Clips K of a video. Defaults to 12.
        num_objects (int): Number of objects. Defaults to 4.
        num_spare (int): Number of spare slots. Defaults to 1.
        num_swaps (int): Swaps in a video. Defaults to 2.
        num_gaps (int): Gaps in a video. Defaults to 2.
        code_dims (int): Channels of a code. Defaults to 8.
        num_labels (int): Number L of labels. Defaults to 4.
        noise (float): Standard deviation of the noise; that of the codes is
            1. Defaults to 0.1.
    """

    num_clips: int = 12
    num_objects: int = 4
    num_spare: int = 1
    num_swaps: int = 2
    num_gaps: int = 2
    code_dims: int = 8
    num_labels: int = 4
    noise: float = 0.1

    @property
    def input_dims(self) -> int:
        """int: Channels of a query."""
        return self.code_dims + self.num_labels

    def sample(self, batch_size: int, generator: Generator) -> Batch:
        """Draw videos.

        Args:
            batch_size (int): Number of videos B.
            generator (Generator): Source of randomness.

        Returns:
            Batch: Queries (B, K, Q, D) and targets (B, K, Q).
        """
        # Empty slots hold one object more, of code 0 and without a label.
        seed = int(torch.randint(2**31, (), generator=generator))
        rng = Random(seed)
        content = torch.tensor(
            [self._draw_content(rng) for _ in range(batch_size)]
        )  # (B, K, Q)
        codes = torch.randn(
            batch_size, self.num_objects, self.code_dims, generator=generator
        )
        labels = torch.randint(
            self.num_labels,
            (batch_size, self.num_clips, self.num_objects),
            generator=generator,
        )
        videos = torch.arange(batch_size)[:, None, None]
        clips = torch.arange(self.num_clips)[:, None]
        queries = F.pad(codes, (0, 0, 0, 1))[videos, content]
        noise = torch.randn(queries.shape, generator=generator)
        one_hot = F.pad(F.one_hot(labels, self.num_labels), (0, 0, 0, 1))
        inputs = torch.cat(
            [queries + self.noise * noise, one_hot[videos, clips, content]], -1
        )
        return Batch(inputs, *self._solve(content, labels))

    def _solve(
        self, content: Tensor, labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Find the targets of all slots.

        Args:
            content (Tensor): Object in each slot, shape (B, K, Q).
            labels (Tensor): Label of each object, shape (B, K, objects).

        Returns:
            tuple[Tensor, dict[str, Tensor]]: Targets, shape (B, K, Q), and
            groups of slots, see :class:`Batch`.
        """
        own = torch.arange(self.num_objects)
        present = (content[..., None] == own).any(-2)  # (B, K, objects)
        targets = labels.masked_fill(~present, self.num_labels)
        targets = F.pad(targets, (0, self.num_spare), value=self.num_labels)
        present = F.pad(present, (0, self.num_spare))
        at_home = content == torch.arange(content.shape[-1])
        return targets, {
            'all': torch.ones_like(present),
            'in its slot': present & at_home,
            'elsewhere': present & ~at_home,
            'missing': ~present,
        }

    def _draw_content(self, rng: Random) -> list[list[int]]:
        """Draw which object each slot holds in each clip, K lists of Q."""
        empty = self.num_objects
        slots = [*range(empty), *[empty] * self.num_spare]
        content = [list(slots) for _ in range(self.num_clips)]

        def swap(first: int, second: int, start: int) -> None:
            for clip in content[start : start + rng.randint(1, 3)]:
                clip[first], clip[second] = clip[second], clip[first]

        for _ in range(self.num_gaps):
            number = rng.randrange(self.num_objects)
            start = rng.randrange(1, self.num_clips)
            end = start + rng.randint(1, 3)
            for clip in content[start:end]:
                clip[number] = empty
            if rng.random() < 0.5:
                swap(number, rng.randrange(empty, len(slots)), end)
        for _ in range(self.num_swaps):
            first, second = rng.sample(range(self.num_objects), 2)
            swap(first, second, rng.randrange(1, self.num_clips))
        return content


class ReAssociationModel(nn.Module):
    """A cross-clip tracker between two linear layers.

    Args:
        task (ReAssociation): The task.
        attention (str): See :class:`CrossClipTracker`.
        with_aspp (bool): Whether the layers have Temporal-ASPP.
        num_layers (int): Number of layers.
        embed_dims (int): Number of channels. Defaults to 48.
    """

    def __init__(
        self,
        task: ReAssociation,
        attention: str,
        with_aspp: bool,
        num_layers: int,
        embed_dims: int = 48,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(task.input_dims, embed_dims)
        self.tracker = CrossClipTracker(
            embed_dims,
            num_layers,
            num_heads=4,
            attention=attention,
            aspp=dict() if with_aspp else None,
        )
        self.read_out = nn.Linear(embed_dims, task.num_labels + 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Queries (B, K, Q, D) -> logits (B, K, Q, L + 1)."""
        return self.read_out(self.tracker(self.embed(inputs))[-1])
