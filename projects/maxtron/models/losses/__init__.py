# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .auxiliary_semantic_loss import AuxiliarySemanticLoss
from .kmax_criterion import KMaXCriterion
from .pixel_instance_loss import PixelInstanceLoss
from .pq_class_loss import PQClassLoss
from .query_targets import QueryTargets, assign_tubes
from .tube_mask_losses import TubeCrossEntropyLoss, TubeDiceLoss
from .tube_masks import tube_masks
from .tube_targets import TubeTargets, semantic_targets, tube_targets

__all__ = [
    'AuxiliarySemanticLoss', 'KMaXCriterion', 'PQClassLoss',
    'PixelInstanceLoss', 'QueryTargets', 'TubeCrossEntropyLoss',
    'TubeDiceLoss', 'TubeTargets', 'assign_tubes', 'semantic_targets',
    'tube_masks', 'tube_targets'
]
