# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import torch
from mmdet.models.task_modules import AssignResult, BaseAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ....structures import copy_to_device
from ...layers import EPS


@TASK_UTILS.register_module()
class SimilarityMatcher(BaseAssigner):
    """One-to-one matching by mask similarity times class probability.

    The similarity of masks is the Dice coefficient of their probabilities.

    Args:
        masking_void_pixel (bool): Whether the area of a prediction excludes
            pixels without ground truth. Defaults to True.
    """

    def __init__(self, masking_void_pixel: bool = True) -> None:
        self.masking_void_pixel = masking_void_pixel

    @torch.no_grad()
    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        **kwargs,
    ) -> AssignResult:
        """Match the queries of a clip.

        Args:
            pred_instances (InstanceData): ``scores``, class
                probabilities of N queries, shape (N, C + 1), and ``overlaps``,
                sums of their mask probabilities over the pixels without ground
                truth and over those of each ground truth, shape (N, 1 + M).
            gt_instances (InstanceData): ``labels`` (M, ) and ``areas``,
                numbers of pixels (M, ), of M ground truths.
            kwargs: Not used.

        Returns:
            AssignResult: For each query: ``gt_inds``, 1 + index of its
            ground truth, 0 for none; ``labels``, -1 for none;
            ``max_overlaps``, the similarity of the masks, and the extra
            property ``cls_probs``, both 0 for none. If there are more ground
            truths than queries, some ground truths get no query.
        """
        overlaps = pred_instances.overlaps
        similarities = self.similarities(overlaps, gt_instances.areas)
        cls_probs = pred_instances.scores[:, gt_instances.labels]
        # Replace NaN and inf so that matching does not crash. The loss stays
        # non-finite, and the gradient scaler skips the step.
        merit = (similarities * cls_probs).nan_to_num(0.0, 0.0, 0.0)
        pairs = linear_sum_assignment(merit.cpu().numpy(), maximize=True)
        query, gt = (
            copy_to_device(torch.from_numpy(x), overlaps.device) for x in pairs
        )

        result = AssignResult(
            num_gts=len(gt_instances),
            gt_inds=gt.new_zeros(len(overlaps)),
            max_overlaps=overlaps.new_zeros(len(overlaps)),
            labels=gt.new_full((len(overlaps),), -1),
        )
        result.set_extra_property(
            'cls_probs', torch.zeros_like(result.max_overlaps)
        )
        result.gt_inds[query] = gt + 1
        result.labels[query] = gt_instances.labels[gt]
        result.max_overlaps[query] = similarities[query, gt]
        result.get_extra_property('cls_probs')[query] = cls_probs[query, gt]
        return result

    def similarities(self, overlaps: Tensor, areas: Tensor) -> Tensor:
        """Compute the Dice coefficients of soft masks.

        Args:
            overlaps (Tensor): Sums of the mask probabilities of each query
                over the pixels without ground truth and over those of each
                ground truth, shape (N, 1 + M).
            areas (Tensor): Areas of the ground truths, shape (M, ).

        Returns:
            Tensor: Shape (N, M).
        """
        counted = overlaps[:, 1:] if self.masking_void_pixel else overlaps
        total = counted.sum(1, keepdim=True) + areas
        return overlaps[:, 1:] / (total / 2 + EPS)
