# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.structures import thing_id, write_id_map
from projects.maxtron.visualization.panoptic_ground_truth import (
    PanopticGroundTruth,
)

import numpy as np
from mmdet.structures import DetDataSample

META = dict(classes=['sky', 'car'], thing_classes=['car'])


def test_things_keep_their_ids_within_a_video(tmp_path):
    """A number is of the first appearance, not of the order in a frame."""
    path, ids = str(tmp_path / 'map.png'), np.zeros((2, 4), np.int32)
    ids[0, 1:] = 7, 8, 9  # car, sky, car; the rest is void
    write_id_map(path, ids)
    truth, numbers = PanopticGroundTruth(), {7: 0, 9: 1}
    for video, listed in ((1, (7, 8, 9)), (1, (9, 8, 7)), (2, (9, 8, 7))):
        if video == 2:
            numbers = {9: 0, 7: 1}
        segments = [
            dict(id=i, category=int(i != 8), area=1, iscrowd=0) for i in listed
        ]
        sample = DetDataSample(
            metainfo=dict(
                img_path='frame',
                video_id=video,
                seg_map_path=path,
                segments_info=segments,
            )
        )
        decoded = truth.read(sample, META).decode()
        cars = [thing_id(1, numbers[i]) for i in (7, 9)]
        assert decoded.tolist() == [[2, cars[0], 0, cars[1]], [2] * 4]
