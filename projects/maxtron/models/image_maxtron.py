# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

import torch
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.structures import PixelData
from torch import Tensor

from ..structures import ClipShapes
from .maxtron import MaXTron


@MODELS.register_module()
class ImageMaXTron(MaXTron):
    """Segmenter of images, each of which is a clip of one frame.

    With :class:`VideoKMaXHead` the model is `kMaX-DeepLab
    <https://arxiv.org/abs/2207.04044>`_. It pre-trains video models: weights
    and training are those of :class:`MaXTron`. At test time the inputs are
    images. The output is ``pred_panoptic_seg``, as for MMDetection's panoptic
    segmenters and :class:`mmdet.evaluation.CocoPanopticMetric`.

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
                range 0 to 255.
            data_samples (list[DetDataSample]): One per image, with
                ``ori_shape``.

        Returns:
            list[DetDataSample]: The samples with
            ``pred_panoptic_seg.sem_seg`` of shape (1, *ori_shape), int32.
        """
        for image, sample in zip(inputs, data_samples):
            clip = self.data_preprocessor.preprocess_clip([image])
            shapes = ClipShapes(
                clip.shape[-2:],
                self.data_preprocessor.img_shape(image.shape[-2:]),
                sample.ori_shape[:2],
                num_new=1,
            )
            (result,) = self.head.predict([(self._forward(clip), shapes)])
            sample.pred_panoptic_seg = PixelData(
                sem_seg=torch.from_numpy(result.decode())[None]
            )
        return data_samples
