# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList, TrackDataSample
from mmengine.structures import PixelData
from torch import Tensor

from ..structures import ClipShapes
from .maxtron import MaXTron


@MODELS.register_module()
class ImageMaXTron(MaXTron):
    """Segmenter of images, each of which is a clip of one frame.

    With :class:`VideoKMaXHead` the model is `kMaX-DeepLab
    <https://arxiv.org/abs/2207.04044>`_, and with
    :class:`Mask2FormerClipHead` it is MMDetection's Mask2Former. Weights and
    training are those of :class:`MaXTron`, so it can pre-train video models.
    At test time the inputs are images. The output is ``pred_panoptic_seg`` or
    ``pred_instances``, as for MMDetection's segmenters,
    :class:`mmdet.evaluation.CocoPanopticMetric` and
    :class:`mmdet.evaluation.CocoMetric`. Videos are processed as by
    :class:`MaXTron`.

    Args:
        kwargs: Arguments of :class:`MaXTron`.
    """

    @torch.no_grad()
    def predict(
        self, inputs: list[Tensor], data_samples: SampleList
    ) -> SampleList:
        """Segment images.

        Args:
            inputs (list[Tensor]): Images of shape (3, h, w), BGR, in the
                range 0 to 255; or videos, see :meth:`MaXTron.predict`.
            data_samples (list[DetDataSample]): One per image, with
                ``ori_shape``; or one TrackDataSample per video.

        Returns:
            list[DetDataSample]: The samples with
            ``pred_panoptic_seg.sem_seg`` of shape (1, *ori_shape), int32, or
            with ``pred_instances``, whose masks are COCO RLE.
        """
        if isinstance(data_samples[0], TrackDataSample):
            return super().predict(inputs, data_samples)
        for image, sample in zip(inputs, data_samples):
            self._predict_image(image, sample)
        return data_samples

    def _predict_image(self, image: Tensor, sample: DetDataSample) -> None:
        """Segment an image (3, h, w), and add the result to its sample."""
        clip = self.data_preprocessor.preprocess_clip([image])
        shapes = ClipShapes(
            clip.shape[-2:],
            self.data_preprocessor.img_shape(image.shape[-2:]),
            sample.ori_shape[:2],
            num_new=1,
        )
        (result,) = self.head.predict([(self._forward(clip), shapes)])
        if self.head.result_field == 'pred_panoptic_map':
            sample.pred_panoptic_seg = PixelData(
                sem_seg=torch.from_numpy(result.decode())[None]
            )
        else:
            sample.pred_instances = result
