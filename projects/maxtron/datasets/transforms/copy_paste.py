# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Copy-paste augmentation of clips with panoptic annotations."""

from collections.abc import Iterable

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet.registry import TRANSFORMS

from ...errors import InputError
from ...structures import index_type
from . import pixels

# offset of the ids of pasted segments, above all ids of panoptic maps
PASTED = 1 << 24


@TRANSFORMS.register_module()
class VideoCopyPaste(BaseTransform):
    """Paste segments of a second random clip into a clip.

    The pasted segments are all things of the first frame of the second clip,
    and a random number (0 to all) of random segments of that frame. They are
    pasted in every frame in which they appear, at their original positions.

    Pasted stuff joins the stuff of the same class if the clip has any.
    Otherwise it becomes a new tube, like pasted things.

    Required Keys, of both the clip and the second one:

    - the keys that ``transforms`` and ``paste_transforms`` require
    - mix_results (list[dict]): The second video, set by the dataset.

    Required Keys, after ``transforms``, each a list over frames:

    - img, gt_seg_map, segments_info, valid_pixels

    Args:
        transforms (list[dict]): Pipeline from the video to the clip on its
            canvas.
        paste_transforms (list[dict]): Pipeline of the second video.
        reference_collision (bool): Whether to keep ids when pasting, as the
            reference does. In every video of VIPSeg the first instance of a
            class has the colour of the class as its id. A pasted segment then
            replaces the segment with the same id in a frame, whose pixels
            lose their instance but keep their class, and stuff joins that of
            its class only in frames that show any. If False, pasted segments
            get ids of their own, and stuff joins for the whole clip.
            Defaults to False.
    """

    def __init__(
        self,
        transforms: list[dict],
        paste_transforms: list[dict],
        reference_collision: bool = False,
    ) -> None:
        self.transforms = Compose([TRANSFORMS.build(t) for t in transforms])
        self.paste_transforms = Compose(
            [TRANSFORMS.build(t) for t in paste_transforms]
        )
        self.reference_collision = reference_collision

    @staticmethod
    def get_indices(dataset) -> list[int]:
        """Choose the second video at random.

        Args:
            dataset (Sized): The dataset.

        Returns:
            list[int]: The index of the video.
        """
        return [np.random.randint(len(dataset))]

    def transform(self, results: dict) -> dict | None:
        """Make a clip and paste into it.

        Args:
            results (dict): The video.

        Returns:
            dict[str, list] | None: The clip; None if it is rejected.

        Raises:
            InputError: If the dataset provides no second video.
        """
        if not results.get('mix_results'):
            raise InputError(
                'VideoCopyPaste got no second video. Use it as a step of the '
                'pipeline of VIPSegDataset or CocoPanopticClipDataset, not '
                'inside another transform.'
            )
        other = results.pop('mix_results')[0]
        clip = self.transforms(results)
        other = self.paste_transforms(other)
        if clip is None or other is None:
            return None
        chosen = self._choose(other['segments_info'][0])
        stuff = self._stuff_ids(
            seg for frame in clip['segments_info'] for seg in frame
        )
        for t in range(len(clip['img'])):
            self._paste(clip, other, t, chosen, stuff)
        return clip

    @staticmethod
    def _choose(segments: list[dict]) -> set[int]:
        """Choose the ids of the segments to paste, given the first frame."""
        segments = [seg for seg in segments if not seg['iscrowd']]
        number = np.random.randint(len(segments) + 1)
        chosen = set(np.random.permutation(len(segments))[:number].tolist())
        return {
            seg['id']
            for i, seg in enumerate(segments)
            if i in chosen or seg['is_thing']
        }

    @staticmethod
    def _stuff_ids(segments: Iterable[dict]) -> dict[int, int]:
        """Map each label of stuff to its id, the first of several."""
        stuff = {}
        for seg in segments:
            if not (seg['is_thing'] or seg['iscrowd']):
                stuff.setdefault(seg['category'], seg['id'])
        return stuff

    def _paste(
        self,
        clip: dict,
        other: dict,
        t: int,
        chosen: set[int],
        stuff: dict[int, int],
    ) -> None:
        """Paste into frame ``t`` of the clip.

        Args:
            clip (dict[str, list]): The clip, modified in place.
            other (dict[str, list]): The second clip.
            t (int): Index of the frame in both clips.
            chosen (set[int]): Ids of the segments to paste.
            stuff (dict[int, int]): Id of the stuff in the clip, by label.
        """
        index = other['gt_seg_map'][t]  # (h, w)
        pasted = other['segments_info'][t]
        is_chosen = np.array(
            [False]
            + [seg['id'] in chosen and not seg['iscrowd'] for seg in pasted]
        )
        mask = pixels.look_up(is_chosen, index)
        clip['img'][t] = pixels.overwrite(
            clip['img'][t], other['img'][t], mask
        )
        clip['valid_pixels'][t] |= mask

        segments = [dict(seg) for seg in clip['segments_info'][t]]
        if self.reference_collision:
            is_seen = _is_seen(clip['gt_seg_map'][t][~mask], len(segments))
            stuff = self._stuff_ids(
                seg for seg, seen in zip(segments, is_seen) if seen
            )
        joins = [
            not seg['is_thing'] and seg['category'] in stuff for seg in pasted
        ]
        if self.reference_collision:
            is_seen = _is_seen(index[mask], len(pasted))
            self._drop_taken_ids(
                segments, pasted, is_seen & ~np.array(joins, bool)
            )
        offset = 0 if self.reference_collision else PASTED
        dtype = index_type(len(segments) + len(pasted))
        clip['gt_seg_map'][t] = pixels.overwrite(
            clip['gt_seg_map'][t].astype(dtype),
            index.astype(dtype) + dtype(len(segments)),
            mask,
        )
        new_ids = [
            stuff[seg['category']] if joined else seg['id'] + offset
            for seg, joined in zip(pasted, joins)
        ]
        # Segments that are not pasted keep their position in the list.
        clip['segments_info'][t] = segments + [
            dict(seg, id=new_id if is_pasted else 0)
            for seg, new_id, is_pasted in zip(pasted, new_ids, is_chosen[1:])
        ]

    @staticmethod
    def _drop_taken_ids(
        segments: list[dict], pasted: list[dict], keeps_id: np.ndarray
    ) -> None:
        """Set the ids of segments to 0 that pasted segments bring along.

        Args:
            segments (list[dict]): Segments of the clip, modified in place.
            pasted (list[dict]): Segments of the second clip.
            keeps_id (np.ndarray): Whether each of ``pasted`` is visible and
                keeps its id, bool.
        """
        taken = {seg['id'] for seg, keeps in zip(pasted, keeps_id) if keeps}
        for seg in segments:
            if seg['id'] in taken:
                seg['id'] = 0

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(transforms={self.transforms}, '
            f'paste_transforms={self.paste_transforms}, '
            f'reference_collision={self.reference_collision})'
        )


def _is_seen(index: np.ndarray, num_segments: int) -> np.ndarray:
    """Return which segments have pixels, (num_segments, ) bool."""
    return np.bincount(index, minlength=num_segments + 1)[1:] > 0
