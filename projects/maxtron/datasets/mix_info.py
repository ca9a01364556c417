# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""How a dataset gives a transform what it mixes into a sample."""

from mmengine.dataset import Compose


class MixInfoMixin:
    """Serves transforms that mix several samples of a dataset.

    Such a transform has ``get_indices(dataset)``, as those that MMDetection's
    ``MultiImageMixDataset`` serves. Here it gets what is known of these
    samples, not the samples themselves: it loads them with a pipeline of its
    own, and only what it needs.
    """

    pipeline: Compose

    def add_mix_results(self, data_info: dict, describe) -> dict:
        """Add what is known of the samples that will be mixed in.

        Args:
            data_info (dict): A sample before its pipeline.
            describe (callable): Gives the same of the sample with an index.

        Returns:
            dict: The same; with ``mix_results`` (list[dict]) if the pipeline
            mixes.
        """
        for transform in self.pipeline.transforms:
            if hasattr(transform, 'get_indices'):
                data_info['mix_results'] = [
                    describe(i) for i in transform.get_indices(self)
                ]
        return data_info
