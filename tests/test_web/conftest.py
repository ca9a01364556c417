# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A synthetic video with its annotations, and the results of a model on it."""

import json
import shutil
from types import SimpleNamespace

from projects.maxtron.web import Limits, Models, open_upload, run_job

import pytest

from tests.footage import write_video
from tests.test_web.tiny_model import MODEL
from tools.dataset_converters.make_synthetic import main as make_synthetic


@pytest.fixture(scope='session')
def scene(tmp_path_factory):
    """Frames of a video, its annotations in both formats, and a film of it."""
    root = tmp_path_factory.mktemp('scene')
    make_synthetic(
        f'{root} --size demo --splits val --num-val 1 --frames 12 12 '
        '--nproc 1'.split()
    )
    vipseg = root / 'vipseg/VIPSeg_720P'
    frames = vipseg / 'images/val_0000'
    scene = SimpleNamespace(
        frames=frames,
        tracks=root / 'youtube-vis/val/instances.json',
        segments=vipseg / 'panoptic_gt_VIPSeg_val.json',
        segment_masks=vipseg / 'panomasksRGB',
        film=root / 'film.mp4',
    )
    images = [read_image(path) for path in sorted(frames.glob('*.jpg'))]
    write_video(scene.film, images, fps=12)
    return scene


def read_image(path):
    import cv2

    return cv2.imread(str(path))


@pytest.fixture(scope='session')
def models():
    return Models({MODEL: (MODEL, None)}, 'cpu')


@pytest.fixture(scope='session')
def job(scene, models, tmp_path_factory):
    """Folder of the results of the shipped model on the first frames."""
    folder = tmp_path_factory.mktemp('job')
    source = open_upload(scene.film, Limits())
    counts = list(run_job(models.get(MODEL), source, folder, 6))
    assert counts == [1, 2, 3, 4, 5, 6]
    return folder


@pytest.fixture(scope='session')
def submission(scene):
    """The annotated tracks as results; the first one lacks half its masks."""
    truth = json.loads(scene.tracks.read_text())
    results = [
        dict(
            video_id=track['video_id'],
            category_id=track['category_id'],
            score=0.9 - 0.1 * i,
            segmentations=track['segmentations'],
        )
        for i, track in enumerate(truth['annotations'])
    ]
    masks = results[0]['segmentations']
    results[0]['segmentations'] = [*masks[:6], *[None] * 6]
    path = scene.tracks.parent / 'results.json'
    path.write_text(json.dumps(results))
    return path


@pytest.fixture(scope='session')
def panoptic_results(scene, tmp_path_factory):
    """The annotated segments as results of a test."""
    folder = tmp_path_factory.mktemp('panoptic')
    shutil.copytree(scene.segment_masks, folder / 'pan_pred')
    truth = json.loads(scene.segments.read_text())
    keys = ('annotations', 'categories')
    content = {key: truth[key] for key in keys}
    (folder / 'pred.json').write_text(json.dumps(content))
    return folder
