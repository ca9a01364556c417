# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .layers import KMAX_NORM_CFG
from .predictor import KMaXQueryHeads, KMaXQueryPredictor


class KMaXTrackerHeads(KMaXQueryHeads):
    """Classes and masks of queries that a cross-clip tracker has refined.

    Copies of the last ones of a :class:`KMaXTransformerDecoder`, without its
    convolutions of pixels: masks are made of the pixel embeddings of the
    clips.

    Args:
        embed_dims (int): Channels D of the queries.
        out_channels (int): Channels E of pixel embeddings and mask kernels.
        num_classes (int): Number of classes.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.

    Attributes:
        copied_from (str): Sub-module of the segmenter whose weights of the
            same names these begin with.
    """

    copied_from = 'transformer_decoder'

    def __init__(
        self,
        embed_dims: int,
        out_channels: int,
        num_classes: int,
        norm_cfg: dict = KMAX_NORM_CFG,
    ) -> None:
        super().__init__(
            embed_dims,
            KMaXQueryPredictor(
                embed_dims, out_channels, num_classes, norm_cfg
            ),
            norm_cfg,
        )
