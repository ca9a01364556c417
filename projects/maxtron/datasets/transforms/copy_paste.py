# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Copy-paste augmentation of clips with panoptic annotations."""

from typing import Dict, List, Optional

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet.registry import TRANSFORMS

# ids of panoptic maps are below, those of pasted segments not
PASTED = 1 << 24


@TRANSFORMS.register_module()
class VideoCopyPaste(BaseTransform):
    """Paste segments of a second random clip into a clip.

    What is pasted is decided on the first frame of the second clip: all its
    things, and a random number (0 to all) of random segments. These segments
    are pasted in every frame in which they appear, at the place where they
    are.

    Pasted stuff joins the stuff of the same class, if the clip has any; else
    it is a tube of its own, as pasted things are.

    Required Keys, of both the clip and the second one:

    - what ``transforms`` and ``paste_transforms`` need
    - mix_results (list[dict]): The second video, set by the dataset.

    Required Keys, after ``transforms``, each a list over frames:

    - img, gt_seg_map, segments_info, valid_pixels

    Args:
        transforms (list[dict]): From the video to the clip on its canvas.
        paste_transforms (list[dict]): The same for the second video.
        reference_collision (bool): In every video of VIPSeg the first
            instance of a class has the class's colour as its id. The
            reference keeps the ids when it pastes, so that in a frame a
            pasted segment takes the place of the one with the same id: its
            pixels become void of instances, but keep their class. True does
            the same; False, the default, keeps both as tubes of their own.
    """

    def __init__(self,
                 transforms: List[dict],
                 paste_transforms: List[dict],
                 reference_collision: bool = False) -> None:
        self.transforms = Compose([TRANSFORMS.build(t) for t in transforms])
        self.paste_transforms = Compose(
            [TRANSFORMS.build(t) for t in paste_transforms])
        self.reference_collision = reference_collision

    @staticmethod
    def get_indices(dataset) -> List[int]:
        """Choose the second video: any one of the dataset.

        Args:
            dataset (Sized): The dataset.

        Returns:
            list[int]: Its index.
        """
        return [np.random.randint(len(dataset))]

    def transform(self, results: dict) -> Optional[dict]:
        """Make a clip and paste into it.

        Args:
            results (dict): The video.

        Returns:
            dict[str, list] | None: The clip; None if it is rejected.

        Raises:
            ValueError: If the dataset gave no second video.
        """
        if not results.get('mix_results'):
            raise ValueError(
                'VideoCopyPaste got no second video. Use it as a step of the '
                'pipeline of VIPSegDataset or CocoPanopticClipDataset, not '
                'inside of another transform.')
        other = results.pop('mix_results')[0]
        clip = self.transforms(results)
        other = self.paste_transforms(other)
        if clip is None or other is None:
            return None
        tubes = self._name_tubes(clip, self._choose(other['segments_info'][0]))
        for t in range(len(clip['img'])):
            self._paste(clip, other, t, tubes)
        return clip

    @staticmethod
    def _choose(segments: List[dict]) -> List[dict]:
        """Decide what is pasted, of the segments of the first frame."""
        segments = [seg for seg in segments if not seg['iscrowd']]
        number = np.random.randint(len(segments) + 1)
        chosen = set(np.random.permutation(len(segments))[:number].tolist())
        return [
            seg for i, seg in enumerate(segments)
            if i in chosen or seg['is_thing']
        ]

    def _name_tubes(self, clip: dict, chosen: List[dict]) -> Dict[int, dict]:
        """Find the tubes that pasted segments belong to.

        Args:
            clip (dict[str, list]): The clip.
            chosen (list[dict]): Segments that will be pasted.

        Returns:
            dict[int, dict]: By the id of the segment, the ``id`` of the tube
            and whether it ``joins`` stuff that is in the clip.
        """
        stuff = {}
        for segments in clip['segments_info']:
            for seg in segments:
                if not (seg['is_thing'] or seg['iscrowd']):
                    stuff.setdefault(seg['category'], seg['id'])
        tubes = {}
        for seg in chosen:
            joins = not seg['is_thing'] and seg['category'] in stuff
            new_id = seg['id']
            if joins:
                new_id = stuff[seg['category']]
            elif not self.reference_collision:
                new_id += PASTED
            tubes[seg['id']] = dict(id=new_id, joins=joins)
        return tubes

    def _paste(self, clip: dict, other: dict, t: int,
               tubes: Dict[int, dict]) -> None:
        """Paste into frame ``t`` of the clip."""
        index = other['gt_seg_map'][t]  # (h, w)
        pasted = other['segments_info'][t]
        chosen = np.array([False] + [
            seg['id'] in tubes and not seg['iscrowd'] for seg in pasted
        ])
        mask = chosen[index]
        np.copyto(clip['img'][t], other['img'][t], where=mask[..., None])
        clip['valid_pixels'][t] |= mask

        segments = [dict(seg) for seg in clip['segments_info'][t]]
        if self.reference_collision:
            seen = np.bincount(index[mask], minlength=len(chosen))[1:] > 0
            taken = {
                tubes[seg['id']]['id']
                for seg, is_seen in zip(pasted, seen)
                if is_seen and not tubes[seg['id']]['joins']
            }
            for seg in segments:
                if seg['id'] in taken:
                    seg['id'] = 0
        clip['gt_seg_map'][t] = np.where(
            mask, index.astype(np.int32) + len(segments),
            clip['gt_seg_map'][t])
        # those that are not pasted have no pixel, but their place in the list
        clip['segments_info'][t] = segments + [
            dict(seg, id=tubes[seg['id']]['id'] if is_chosen else 0)
            for seg, is_chosen in zip(pasted, chosen[1:])
        ]

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(transforms={self.transforms}, '
                f'paste_transforms={self.paste_transforms}, '
                f'reference_collision={self.reference_collision})')
