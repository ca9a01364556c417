# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A user's own panoptic dataset in the 720P layout, and a test on it."""

import json
from pathlib import Path

from projects.maxtron.structures import read_id_map, write_id_map

import cv2
import numpy as np
from mmdet.registry import DATASETS

from tests.panoptic_results import panoptic_map
from tests.test_evaluation.panoptic_samples import build

NAMES = ('sky', 'grass', 'square')
COLORS = ((90, 160, 255), (60, 180, 60), (220, 40, 40))
SIZE = 24, 40  # height and width
KEYS = (
    'img_id',
    'img_path',
    'frame_id',
    'video_id',
    'video_length',
    'seg_map_path',
    'segments_info',
)


def draw(t, labels=(0, 1, 2)):
    """Labels of a frame: two kinds of stuff, and a square that moves."""
    frame = np.full(SIZE, labels[0])
    frame[12:] = labels[1]
    frame[4:10, 4 + 2 * t : 10 + 2 * t] = labels[2]
    return frame


def write(
    root, ids=(1, 2, 3), names=NAMES, video='a', frames=6, labels=(0, 1, 2)
):
    """Write images, maps and gt.json; return the content of the latter."""
    if isinstance(frames, int):
        frames = [f'{t:05d}' for t in range(frames)]
    table = np.array(COLORS) @ [1, 256, 65536]
    images, annotations = [], []
    for t, name in enumerate(frames):
        frame = draw(t, labels)
        for folder in ('images', 'panomasksRGB'):
            path = Path(root, folder, str(video), f'{name}.png')
            path.parent.mkdir(parents=True, exist_ok=True)
            if folder == 'images':
                cv2.imwrite(str(path.with_suffix('.jpg')), np.uint8(frame))
            else:
                write_id_map(str(path), table[frame].astype(np.uint32))
        images.append(
            dict(
                id=name, file_name=f'{name}.png', height=SIZE[0], width=SIZE[1]
            )
        )
        segments = [
            dict(
                id=int(table[k]),
                category_id=ids[k],
                iscrowd=0,
                area=int((frame == k).sum()),
            )
            for k in sorted(set(labels))
        ]
        annotations.append(
            dict(
                image_id=name, file_name=f'{name}.png', segments_info=segments
            )
        )
    content = dict(
        categories=[
            dict(id=i, name=name, isthing=int(k == 2), color=list(COLORS[k]))
            for k, (i, name) in enumerate(zip(ids, names))
        ],
        videos=[dict(video_id=video, images=images)],
        annotations=[dict(video_id=video, annotations=annotations)],
    )
    save(root, content)
    return content


def save(root, content):
    """Write gt.json."""
    Path(root, 'gt.json').write_text(json.dumps(content))


def load(root, names=NAMES):
    """Build the dataset of a test."""
    return DATASETS.build(
        dict(
            type='VIPSegDataset',
            data_root=str(root),
            ann_file='gt.json',
            test_mode=True,
            metainfo=dict(
                classes=names,
                stuff_classes=names[:2],
                thing_classes=names[2:],
                palette=COLORS,
            ),
            pipeline=[
                dict(type='PackLazyVideo', transforms=[], meta_keys=KEYS)
            ],
            _scope_='mmdet',
        )
    )


def predict(dataset):
    """Samples whose prediction is the ground truth with a mistake."""
    for data in dataset:
        for t, frame in enumerate(data['data_samples']):
            ids = read_id_map(frame.seg_map_path, '')
            found = np.full(ids.shape, 3)
            for segment in frame.segments_info:
                label = segment['category']
                found[ids == segment['id']] = label + 1000 * (label == 2)
            found[18:, 3 * t : 3 * t + 12] = 0
            frame.pred_panoptic_map = panoptic_map(found, 3)
        yield data['data_samples'].to_dict()


def run_test(root, names=NAMES):
    """Measure by both metrics, which write the submission to ROOT/sub."""
    dataset = load(root, names)
    values = {}
    metrics = [
        build(name, dataset.metainfo, outfile_prefix=f'{root}/sub')
        for name in ('VPQ', 'STQ')
    ]
    for sample in predict(dataset):
        for metric in metrics:
            metric.process({}, [sample])
    for metric in metrics:
        values.update(metric.evaluate(1))
    return values


def tool_options(root):
    """Arguments of eval_vpq.py and eval_stq.py for the submission."""
    return [
        f'--pred-dir={root}/sub',
        f'--pred-json={root}/sub/pred.json',
        f'--gt-dir={root}/panomasksRGB',
        f'--gt-json={root}/gt.json',
    ]
