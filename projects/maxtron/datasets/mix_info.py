# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Descriptions of the samples that a transform mixes into another one."""

from collections.abc import Callable

from mmengine.dataset import Compose


class MixInfoMixin:
    """Serve transforms that mix several samples of a dataset.

    Such a transform has ``get_indices(dataset)``, as transforms of
    MMDetection's ``MultiImageMixDataset`` have. Here the transform gets
    descriptions of the samples, not the samples themselves: it loads them
    with a pipeline of its own, and only the parts that it needs.
    """

    pipeline: Compose

    def add_mix_results(
        self, data_info: dict, describe: Callable[[int], dict]
    ) -> dict:
        """Add descriptions of the samples that will be mixed in.

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
