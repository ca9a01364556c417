# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Concatenated, repeated and class-balanced video datasets."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmdet.datasets import BaseVideoDataset, ConcatDataset
from mmdet.registry import DATASETS
from mmengine.dataset import (
    ClassBalancedDataset,
    RepeatDataset,
    force_full_init,
)

from ..errors import InputError

# Entries of metainfo on which labels depend.
_LABEL_KEYS = ('classes', 'thing_classes', 'stuff_classes')


class VideoWrapper(BaseVideoDataset):
    """Base class of datasets that wrap video datasets.

    MMDetection's ``TrackImgSampler`` draws pairs (video, frame), which the
    wrappers of MMEngine do not support: it would draw only from the first of
    several concatenated datasets. This wrapper is itself a video dataset, so
    all samplers of video datasets work, and wrappers can be nested.

    Args:
        datasets (Sequence[BaseVideoDataset]): The wrapped datasets.
        lazy_init (bool): Whether to load annotations later. Defaults to
            False.

    Raises:
        InputError: If a dataset is in test mode or is not a video dataset.
    """

    def __init__(
        self, datasets: Sequence[BaseVideoDataset], lazy_init: bool = False
    ) -> None:
        self.datasets = list(datasets)
        for number, dataset in enumerate(self.datasets):
            self._check(number, dataset)
        self._metainfo = self.datasets[0].metainfo
        self.test_mode = False
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def _check(self, number: int, dataset: Any) -> None:
        """Refuse a dataset that cannot be wrapped."""
        name = self._name(number)
        if not isinstance(dataset, BaseVideoDataset):
            raise InputError(
                f'{name} holds images, but other datasets of the wrapper '
                'hold videos. Wrap datasets of one kind.'
            )
        if dataset.test_mode:
            raise InputError(
                f'{name} has test_mode=True, but wrapped datasets are for '
                'training. Test each dataset by a config of its own.'
            )

    def _name(self, number: int) -> str:
        """Name a wrapped dataset for a message."""
        dataset = self.datasets[number]
        name = type(dataset).__name__
        ann_file = getattr(dataset, 'ann_file', None)
        return (
            f'dataset {number + 1} of {len(self.datasets)} '
            f'({name}{f", {ann_file}" if ann_file else ""})'
        )

    def list_videos(self) -> list[tuple[int, int]]:
        """List the videos of the wrapper.

        Returns:
            list[tuple[int, int]]: Index of the dataset and of the video in it,
            by index of the wrapper.
        """
        return [
            (number, video)
            for number, dataset in enumerate(self.datasets)
            for video in range(len(dataset))
        ]

    def full_init(self) -> None:
        """Load the annotations of all datasets, see the base class."""
        if self._fully_initialized:
            return
        for dataset in self.datasets:
            dataset.full_init()
        self._videos = np.array(self.list_videos()).reshape(-1, 2)
        self._fully_initialized = True

    @force_full_init
    def __len__(self) -> int:
        return len(self._videos)

    @force_full_init
    def _find(self, idx: int) -> tuple[BaseVideoDataset, int]:
        """Find the dataset of a video, and the index of the video in it."""
        number, video = map(int, self._videos[idx])
        return self.datasets[number], video

    def __getitem__(self, idx: int | tuple[int, int]) -> Any:
        """Load a sample.

        Args:
            idx (int | tuple[int, int]): Index of the video, or of the video
                and its key frame.

        Returns:
            Any: The sample of the wrapped dataset.
        """
        if isinstance(idx, tuple):
            dataset, video = self._find(idx[0])
            return dataset[video, idx[1]]
        dataset, video = self._find(idx)
        return dataset[video]

    def get_data_info(self, idx: int) -> dict:
        """Get the annotations of a video, see the base class."""
        dataset, video = self._find(idx)
        return dataset.get_data_info(video)

    def get_cat_ids(self, index: int) -> list[int]:
        """Get the labels that occur in a video, see the base class."""
        dataset, video = self._find(index)
        return dataset.get_cat_ids(video)

    def get_len_per_video(self, idx: int) -> int:
        """Get the number of samples of a video, see the base class."""
        dataset, video = self._find(idx)
        return dataset.get_len_per_video(video)

    @force_full_init
    def get_dataset_source(self, idx: int) -> int:
        """Get the number of the dataset of a video, for MMDet's samplers."""
        return int(self._videos[idx, 0])

    def get_subset_(self, indices: list[int] | int) -> None:
        """Refuse to take a subset, as MMEngine's wrappers do."""
        raise NotImplementedError(
            f'{type(self).__name__} has no subsets; set `indices` of the '
            'wrapped datasets.'
        )

    get_subset = get_subset_


class VideoConcatDataset(VideoWrapper):
    """Concatenation of video datasets with the same classes.

    Args:
        datasets (Sequence[BaseVideoDataset]): The datasets.
        lazy_init (bool): Whether to load annotations later. Defaults to
            False.
        ignore_keys (Sequence[str]): Entries of metainfo that may differ.
            Entries on which labels do not depend may always differ. The values
            of the first dataset are used. Defaults to ().

    Raises:
        InputError: If the classes of the datasets differ.
    """

    def __init__(
        self,
        datasets: Sequence[BaseVideoDataset],
        lazy_init: bool = False,
        ignore_keys: Sequence[str] = (),
    ) -> None:
        self._label_keys = [k for k in _LABEL_KEYS if k not in ignore_keys]
        super().__init__(datasets, lazy_init)

    def _check(self, number: int, dataset: Any) -> None:
        """Refuse a dataset with other classes."""
        super()._check(number, dataset)
        for key in self._label_keys:
            first, other = (
                tuple(item.metainfo.get(key) or ())
                for item in (self.datasets[0], dataset)
            )
            if first != other:
                raise InputError(
                    f'ConcatDataset: metainfo.{key} of {self._name(number)} '
                    f'differs from that of {self._name(0)}: '
                    f'{_first_difference(first, other)}. A label must mean '
                    'the same class everywhere: set the same metainfo in all '
                    'datasets.'
                )


class VideoRepeatDataset(VideoWrapper):
    """Repetition of a video dataset.

    Args:
        dataset (BaseVideoDataset): The dataset.
        times (int): Number of repetitions.
        lazy_init (bool): Whether to load annotations later. Defaults to
            False.
    """

    def __init__(
        self, dataset: BaseVideoDataset, times: int, lazy_init: bool = False
    ) -> None:
        if not isinstance(times, int) or times < 1:
            raise InputError(
                f'RepeatDataset: times is {times!r}, but must be 1 or more.'
            )
        self.times = times
        super().__init__([dataset], lazy_init)

    def list_videos(self) -> list[tuple[int, int]]:
        """List the videos, see the base class."""
        return super().list_videos() * self.times


class VideoClassBalancedDataset(VideoWrapper):
    """Video dataset that repeats videos with rare classes.

    Args:
        dataset (BaseVideoDataset): The dataset.
        oversample_thr (float): Videos with a class that occurs in a smaller
            share of the videos are repeated, see
            :class:`mmengine.dataset.ClassBalancedDataset`.
        lazy_init (bool): Whether to load annotations later. Defaults to
            False.

    Raises:
        InputError: If the annotations do not contain the classes of videos.
    """

    def __init__(
        self,
        dataset: BaseVideoDataset,
        oversample_thr: float,
        lazy_init: bool = False,
    ) -> None:
        self.oversample_thr = oversample_thr
        super().__init__([dataset], lazy_init)

    def list_videos(self) -> list[tuple[int, int]]:
        """List the videos, see the base class."""
        (dataset,) = self.datasets
        if not any(map(dataset.get_cat_ids, range(len(dataset)))):
            raise InputError(
                f'ClassBalancedDataset: the annotations of {self._name(0)} '
                'do not tell which classes a video has. Raw maps of VIPSeg '
                'do after tools/dataset_converters/vipseg_to_720p.py.'
            )
        balanced = ClassBalancedDataset(dataset, self.oversample_thr)
        return [(0, video) for video in balanced.repeat_indices]


def _first_difference(first: tuple, other: tuple) -> str:
    """Describe the first difference of two sequences of names."""
    for number, (name, expected) in enumerate(zip(other, first)):
        if name != expected:
            return f'entry {number} is {name!r} instead of {expected!r}'
    return f'{len(other)} entries instead of {len(first)}'


def _is_video(config: Any) -> bool:
    """Return whether a dataset or config is or wraps a video dataset."""
    if not isinstance(config, dict):
        return isinstance(config, BaseVideoDataset)
    inner = config.get('datasets') or [config.get('dataset')]
    if inner != [None]:
        return any(map(_is_video, inner))
    cls = config.get('type')
    cls = DATASETS.get(cls) if isinstance(cls, str) else cls
    return isinstance(cls, type) and issubclass(cls, BaseVideoDataset)


def _build(config: Any) -> Any:
    """Build a dataset, unless it is already built."""
    return DATASETS.build(config) if isinstance(config, dict) else config


@DATASETS.register_module(name='ConcatDataset', force=True)
def concat_datasets(
    datasets: Sequence[Any],
    lazy_init: bool = False,
    ignore_keys: str | list[str] | None = None,
) -> VideoConcatDataset | ConcatDataset:
    """Build ``ConcatDataset`` of this project or, for images, MMDetection.

    Args:
        datasets (Sequence[dict | BaseDataset]): The datasets.
        lazy_init (bool): Whether to load annotations later. Defaults to
            False.
        ignore_keys (str | list[str], optional): Entries of metainfo that may
            differ. Defaults to None.

    Returns:
        VideoConcatDataset | ConcatDataset: The dataset.
    """
    if not any(map(_is_video, datasets)):
        return ConcatDataset(datasets, lazy_init, ignore_keys)
    keys = [ignore_keys] if isinstance(ignore_keys, str) else ignore_keys
    return VideoConcatDataset(
        [_build(dataset) for dataset in datasets], lazy_init, keys or ()
    )


def _register_wrapper(
    name: str, of_videos: type[VideoWrapper], of_images: Callable
) -> None:
    """Register a wrapper for videos and, by MMEngine, for images."""

    def build(dataset: Any, *args, **kwargs) -> Any:
        if not _is_video(dataset):
            return of_images(dataset, *args, **kwargs)
        return of_videos(_build(dataset), *args, **kwargs)

    DATASETS.register_module(name=name, module=build)


_register_wrapper('RepeatDataset', VideoRepeatDataset, RepeatDataset)
_register_wrapper(
    'ClassBalancedDataset', VideoClassBalancedDataset, ClassBalancedDataset
)
