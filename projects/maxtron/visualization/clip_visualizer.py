# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MMDetection visualizer for tracked masks."""

from collections.abc import Iterable

import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.visualization import TrackLocalVisualizer
from mmengine.structures import InstanceData

from ..structures import INSTANCE_OFFSET, PanopticMap, to_bitmap
from ..utils import write_image
from .mask_drawing import draw_masks, id_colors

# Offset between the colours of two classes. The first instances of a dozen
# classes remain distinguishable.
_CLASS_OFFSET = 98


@VISUALIZERS.register_module()
class ClipLocalVisualizer(TrackLocalVisualizer):
    """Visualizer of tracked instances and panoptic maps.

    MMDetection's TrackLocalVisualizer requires decoded masks and ground truth,
    draws by matplotlib and does not support panoptic videos. In this class an
    instance has the colour of its id in the whole video. Stuff has the colour
    of its class.

    Args:
        name (str): Name of the instance. Defaults to 'visualizer'.
        line_width (int): Width of the contours in pixels. Defaults to 2.
        alpha (float): Opacity of the masks, 0 to 1. Defaults to 0.5.
        **kwargs: ``image``, ``vis_backends`` and ``save_dir`` of
            TrackLocalVisualizer.
    """

    def __init__(
        self,
        name: str = 'visualizer',
        line_width: int = 2,
        alpha: float = 0.5,
        **kwargs,
    ) -> None:
        super().__init__(name, line_width=line_width, alpha=alpha, **kwargs)

    # MMEngine keeps the meta on the first process only. In a distributed
    # test each process draws its own videos and needs the class names.
    @property
    def dataset_meta(self) -> dict | None:
        """dict, optional: Classes and palette of the dataset."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta

    def draw_instances(
        self,
        image: np.ndarray,
        instances: InstanceData,
        score_thr: float = 0.0,
    ) -> np.ndarray:
        """Draw the instances of one frame.

        Args:
            image (np.ndarray): RGB, uint8, shape (H, W, 3).
            instances (InstanceData): ``instances_id``, ``labels``, ``masks``
                and, for predictions, ``scores``.
            score_thr (float): Instances of a lower score are left out.
                Defaults to 0.

        Returns:
            np.ndarray: The drawn image, RGB, uint8, shape (H, W, 3).
        """
        image = np.ascontiguousarray(image)
        if 'scores' in instances:
            keep = instances.scores >= score_thr
            instances = instances[keep]
            instances = instances[instances.scores.argsort(descending=True)]
        return draw_masks(
            image,
            [to_bitmap(mask, image.shape[:2]) for mask in instances.masks],
            id_colors(instances.instances_id.tolist()),
            self._texts(instances),
            alpha=self.alpha,
            line_width=int(self.line_width),
        )

    # name of the method in MMDetection's visualizers
    _draw_instances = draw_instances

    def draw_panoptic(
        self, image: np.ndarray, panoptic_map: PanopticMap
    ) -> np.ndarray:
        """Draw the panoptic segmentation of one frame, except for void.

        Args:
            image (np.ndarray): RGB, uint8, shape (H, W, 3).
            panoptic_map (PanopticMap): The segments, of the same size.

        Returns:
            np.ndarray: The drawn image, RGB, uint8, shape (H, W, 3).

        Raises:
            ValueError: If map and image differ in size.
        """
        numbers, labels = np.divmod(
            np.array(panoptic_map.segment_ids, np.int64), INSTANCE_OFFSET
        )
        # Things come first: they are drawn last, with their outlines on top.
        order = np.argsort(numbers == 0, kind='stable')
        numbers, labels = numbers[order], labels[order]
        colors = id_colors(numbers + _CLASS_OFFSET * labels)
        meta = self.dataset_meta or {}
        if meta.get('palette'):
            stuff = numbers == 0
            colors[stuff] = np.asarray(meta['palette'], np.uint8)[
                labels[stuff]
            ]
        texts = [
            f'{name} {number}' if number else name
            for name, number in zip(self._names(labels), numbers.tolist())
        ]
        ids = panoptic_map.decode()
        return draw_masks(
            np.ascontiguousarray(image),
            [
                to_bitmap(ids == i, image.shape[:2])
                for i in labels + INSTANCE_OFFSET * numbers
            ],
            colors,
            texts,
            alpha=self.alpha,
            line_width=int(self.line_width),
        )

    def draw_prediction(
        self,
        image: np.ndarray,
        data_sample: DetDataSample,
        score_thr: float = 0.3,
    ) -> np.ndarray | None:
        """Draw the instances or the panoptic map predicted for a frame.

        Args:
            image (np.ndarray): RGB, uint8, shape (H, W, 3).
            data_sample (DetDataSample): Sample with ``pred_track_instances``
                or ``pred_panoptic_map``.
            score_thr (float): Instances of a lower score are left out.
                Defaults to 0.3.

        Returns:
            np.ndarray | None: The drawn image; None if there is no
            prediction.
        """
        if 'pred_panoptic_map' in data_sample:
            return self.draw_panoptic(image, data_sample.pred_panoptic_map)
        if 'pred_track_instances' in data_sample:
            return self.draw_instances(
                image, data_sample.pred_track_instances, score_thr
            )
        return None

    def _draw_ground_truth(
        self, image: np.ndarray, data_sample: DetDataSample
    ) -> np.ndarray | None:
        """Draw the annotations; None if there are none."""
        if 'gt_panoptic_map' in data_sample:
            return self.draw_panoptic(image, data_sample.gt_panoptic_map)
        instances = _annotated_instances(data_sample)
        if instances is None:
            return None
        return self.draw_instances(image, instances)

    def _names(self, labels: Iterable[int]) -> list[str]:
        """Look up the names of classes."""
        classes = (self.dataset_meta or {}).get('classes')
        return [
            classes[label] if classes else f'class {label}' for label in labels
        ]

    def _texts(self, instances: InstanceData) -> list[str]:
        """Make labels such as ``'person 3 0.87'``."""
        texts = [
            f'{name} {instance_id}'
            for name, instance_id in zip(
                self._names(instances.labels.tolist()),
                instances.instances_id.tolist(),
            )
        ]
        if 'scores' in instances:
            texts = [
                f'{text} {score:.2f}'
                for text, score in zip(texts, instances.scores.tolist())
            ]
        return texts

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        pred_score_thr: float = 0.3,
        step: int = 0,
    ) -> None:
        """Draw a frame; show it, write it or send it to the backends.

        If the sample has ground truth, it is drawn left of the prediction.
        ``get_image`` returns the drawn image afterwards.

        Args:
            name (str): Name of the image.
            image (np.ndarray): RGB, uint8, shape (H, W, 3).
            data_sample (DetDataSample, optional): One frame with
                ``pred_track_instances`` or ``pred_panoptic_map``, and
                ``gt_panoptic_map``, ``gt_instances`` or, in its metainfo,
                ``instances``. Defaults to None.
            draw_gt (bool): Whether to draw the ground truth. Defaults to True.
            draw_pred (bool): Whether to draw the prediction. Defaults to True.
            show (bool): Whether to open a window. Defaults to False.
            wait_time (float): Seconds to show the window, 0: until a key is
                pressed. Defaults to 0.
            out_file (str, optional): Image file to write instead of sending
                the image to the backends. Defaults to None.
            pred_score_thr (float): Minimum score of drawn predictions.
                Defaults to 0.3.
            step (int): Step of the image in the backends. Defaults to 0.
        """
        images = []
        if data_sample is not None:
            data_sample = data_sample.cpu()
            if draw_gt:
                images.append(self._draw_ground_truth(image, data_sample))
            if draw_pred:
                images.append(
                    self.draw_prediction(image, data_sample, pred_score_thr)
                )
        images = [image for image in images if image is not None]
        drawn = np.concatenate(images, axis=1) if images else image
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_image(out_file, drawn[..., ::-1])
        else:
            self.add_image(name, drawn, step)


def _annotated_instances(data_sample: DetDataSample) -> InstanceData | None:
    """Return the annotated instances of a frame; None without annotation.

    A lazily loaded test video has its parsed annotations in the metainfo.
    """
    if 'gt_instances' in data_sample:
        instances = data_sample.gt_instances
        return instances if 'masks' in instances else None
    if 'instances' not in data_sample.metainfo_keys():
        return None
    annotations = [
        ann for ann in data_sample.instances if ann.get('mask') is not None
    ]
    return InstanceData(
        instances_id=np.array(
            [ann['instance_id'] for ann in annotations], dtype=np.int64
        ),
        labels=np.array(
            [ann['bbox_label'] for ann in annotations], dtype=np.int64
        ),
        masks=[ann['mask'] for ann in annotations],
    )
