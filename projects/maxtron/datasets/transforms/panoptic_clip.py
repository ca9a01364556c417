# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sampling, loading and packing of clips with panoptic annotations.

In these pipelines, ``gt_seg_map`` of a frame has for every pixel 1 + the
position of its segment in ``segments_info``, and 0 for void.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData, PixelData

from ...errors import InputError
from ...structures import UNLABELLED, index_map, read_id_map, read_raw_segments
from . import pixels


@TRANSFORMS.register_module()
class LoadPanopticMap(BaseTransform):
    """Load the panoptic map of a frame and check it against the annotations.

    Required Keys:

    - img, seg_map_path
    - segments_info (list[dict] with id, category, is_thing and iscrowd; None
      if the map is a raw one of VIPSeg, which states its segments itself)
    - label_is_thing (only for raw maps: list[bool])
    - video_id, frame_id (optional, for messages)

    Added Keys:

    - gt_seg_map (np.ndarray): Shape (h, w), see this module.

    Modified Keys:

    - segments_info (only for raw maps)

    Args:
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load the map of one frame.

        Args:
            results (dict): The frame with its image.

        Returns:
            dict: The frame with the map.

        Raises:
            FileNotFoundError: If the file does not exist.
            InputError: If map, image and list of segments disagree.
        """
        path = results['seg_map_path']
        where = (
            f'Frame {results.get("frame_id")} of video '
            f'{results.get("video_id")}'
        )
        raw = results['segments_info'] is None
        ids = read_id_map(path, where, raw, self.backend_args)
        where = f'{where}, {path}'
        if ids.shape != results['img'].shape[:2]:
            size, other = ids.shape, results['img'].shape
            raise InputError(
                f'{where}: the panoptic map is {size[0]} x {size[1]} (height '
                f'x width), but the image {results["img_path"]} is '
                f'{other[0]} x {other[1]}. Convert the dataset again.'
            )
        if raw:
            ids, results['segments_info'] = read_raw_segments(
                ids, results['label_is_thing'], where
            )
        results['gt_seg_map'] = index_map(ids, results['segments_info'], where)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(backend_args={self.backend_args})'


@TRANSFORMS.register_module()
class PackPanopticClip(BaseTransform):
    """Pack a clip with panoptic targets for training.

    Targets are sampled at every ``stride``-th row and column. Crowd regions
    are unlabelled. The :class:`DetDataSample` of a frame has

    - ``gt_panoptic_seg`` (PixelData): ``sem_seg`` of shape (1, h, w), int32,
      the id of the tube, 0 for void;
    - ``gt_sem_seg`` (PixelData): ``sem_seg`` of shape (1, h, w), uint8, the
      label, 255 for unlabelled pixels;
    - ``gt_instances`` (InstanceData): ``instances_ids`` and ``labels``, (n, ),
      of the tubes in this frame. A tube with several labels in the clip gets
      the largest, as in the reference;
    - ``valid_pixels`` (PixelData): ``sem_seg`` of shape (1, H, W), bool, False
      on padding.

    Required Keys, each a list over frames:

    - img, gt_seg_map, segments_info, valid_pixels

    Args:
        stride (int): Stride of the targets in pixels. Defaults to 4.
        min_labelled (int, optional): Reject a sample unless more pixels than
            this are labelled at this stride, and a tube is visible. Defaults
            to None: no sample is rejected.
        meta_keys (Sequence[str]): Keys that become metainfo of the frame.
    """

    def __init__(
        self,
        stride: int = 4,
        min_labelled: int | None = None,
        meta_keys: Sequence[str] = (
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'flip',
            'frame_id',
            'video_id',
            'video_length',
        ),
    ) -> None:
        self.stride = stride
        self.min_labelled = min_labelled
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, list]) -> dict | None:
        """Pack a clip.

        Args:
            results (dict[str, list]): The clip.

        Returns:
            dict | None: ``inputs``, uint8 of shape (T, 3, H, W), BGR, and
            ``data_samples`` (:class:`TrackDataSample`); None if the sample is
            rejected.
        """
        frames = [
            dict(zip(results, values)) for values in zip(*results.values())
        ]
        maps = [self._targets(frame) for frame in frames]
        if self.min_labelled is not None:
            labelled = sum((label != UNLABELLED).sum() for _, label in maps)
            seen = any(tube.any() for tube, _ in maps)
            if labelled <= self.min_labelled or not seen:
                return None
        labels = {}
        for frame in frames:
            for seg in frame['segments_info']:
                labels[seg['id']] = max(
                    seg['category'], labels.get(seg['id'], 0)
                )
        sample = TrackDataSample()
        # MMDetection's setter formats the first sample, which is slow if the
        # sample has tensors. Therefore the samples are set while they are
        # empty.
        sample.video_data_samples = [DetDataSample() for _ in frames]
        for packed, frame, (tubes, semantic) in zip(sample, frames, maps):
            self._pack_frame(packed, frame, tubes, semantic, labels)
        imgs = torch.from_numpy(pixels.stack_images(results['img']))
        return dict(inputs=imgs, data_samples=sample)

    def _targets(self, frame: dict):
        """Compute ids of tubes and labels of a frame, two arrays (h, w)."""
        ids, labels = [0], [UNLABELLED]
        for seg in frame['segments_info']:
            crowd = seg['iscrowd']
            ids.append(0 if crowd else seg['id'])
            labels.append(UNLABELLED if crowd else seg['category'])
        index = frame['gt_seg_map'][:: self.stride, :: self.stride]
        return np.array(ids, np.int32)[index], np.array(labels, np.uint8)[
            index
        ]

    def _pack_frame(
        self,
        sample: DetDataSample,
        frame: dict,
        tubes: np.ndarray,
        semantic: np.ndarray,
        labels: dict[int, int],
    ) -> None:
        """Fill the data sample of a frame."""

        def pixel_data(array):
            return PixelData(sem_seg=torch.from_numpy(array[None]))

        sample.set_metainfo(
            {k: frame[k] for k in self.meta_keys if k in frame}
        )
        sample.gt_panoptic_seg = pixel_data(tubes)
        sample.gt_sem_seg = pixel_data(semantic)
        sample.valid_pixels = pixel_data(frame['valid_pixels'])
        seen = np.setdiff1d(tubes, [0]).tolist()
        sample.gt_instances = InstanceData(
            instances_ids=torch.tensor(seen, dtype=torch.long),
            labels=torch.tensor([labels[i] for i in seen], dtype=torch.long),
        )

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(stride={self.stride}, '
            f'min_labelled={self.min_labelled}, '
            f'meta_keys={self.meta_keys})'
        )
