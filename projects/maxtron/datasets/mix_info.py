# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Descriptions of samples for transforms that mix several samples."""

from collections.abc import Callable

from mmengine.dataset import Compose


class MixInfoMixin:
    """Mix-in of datasets for transforms that mix several samples.

    Such a transform has ``get_indices(dataset)``, like transforms of
    MMDetection's ``MultiImageMixDataset``. It gets descriptions of the samples
    instead of loaded samples. It loads the parts that it needs with its own
    pipeline.
    """

    pipeline: Compose

    def add_mix_results(
        self, data_info: dict, describe: Callable[[int], dict]
    ) -> dict:
        """Add descriptions of the samples to mix in.

        Args:
            data_info (dict): Description of a sample before its pipeline.
            describe (callable): Returns the description of the sample with a
                given index.

        Returns:
            dict: ``data_info``, with ``mix_results`` (list[dict]) if the
            pipeline mixes samples.
        """
        for transform in self.pipeline.transforms:
            if hasattr(transform, 'get_indices'):
                data_info['mix_results'] = [
                    describe(i) for i in transform.get_indices(self)
                ]
        return data_info
