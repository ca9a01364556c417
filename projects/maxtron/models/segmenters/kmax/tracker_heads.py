# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .layers import KMAX_NORM_CFG
from .predictor import KMaXQueryHeads, KMaXQueryPredictor


class KMaXTrackerHeads(KMaXQueryHeads):
    """Heads for classes and masks of queries refined by a cross-clip tracker.

    The heads are copies of the last heads of a :class:`KMaXTransformerDecoder`
    without its pixel convolutions: masks use the pixel embeddings of the
    clips.

    Args:
        embed_dims (int): Channels D of the queries.
        out_channels (int): Channels E of pixel embeddings and mask kernels.
        num_classes (int): Number of classes.
        norm_cfg (dict): Config of the norms. Defaults to
            :data:`KMAX_NORM_CFG`.

    Attributes:
        copied_from (str): Sub-module of the segmenter whose weights of the
            same names initialise the heads.
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
