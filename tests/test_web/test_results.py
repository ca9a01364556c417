# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Results of a test, the demo or a batch, with and without truth."""

import json

from projects.maxtron.errors import InputError
from projects.maxtron.web import open_review
from projects.maxtron.web.page_text import hide_folders
from projects.maxtron.web.tracks import make_curves, make_rows

import numpy as np
import pytest
from pycocotools import mask as mask_utils


def test_instances_beside_their_truth(scene, submission):
    review = open_review(submission, scene.frames, scene.tracks)
    assert review.num_frames == 12
    rows = make_rows(review.tracks, review.matches)
    assert len(rows) == len(review.truth)
    areas = [
        mask_utils.area(mask) if mask else 0 for mask in review.truth[0].masks
    ]
    expected = sum(areas[:6]) / sum(areas)
    assert rows[0][-1] == pytest.approx(expected, abs=1e-3)
    assert [row[-1] for row in rows[1:]] == [1] * (len(rows) - 1)
    for row, track in zip(rows, review.truth, strict=True):
        assert row[1] == track.category and row[-2] == track.text
    curve = make_curves(review.tracks[0], review.matches)
    found = [value for _, value, name in curve if name != 'score']
    shown = [area > 0 for area in areas]
    assert found == [float(t < 6) for t in range(12) if shown[t]]
    assert {value for *_, value, name in curve if name == 'score'} == {0.9}


def test_truth_is_drawn_on_the_left(scene, submission):
    review = open_review(submission, scene.frames, scene.tracks)
    track = review.tracks[-1]
    left, right = np.split(review.picture(3, track), 2, axis=1)
    changed = [(side != left).any() for side in (left, right)]
    assert changed == [False, True]  # the label of the prediction has a score
    track.score = None
    track.number = review.truth[-1].number
    left, right = np.split(review.picture(3, track), 2, axis=1)
    np.testing.assert_array_equal(left, right)


def test_first_frames_only(scene, submission):
    review = open_review(submission, scene.film, max_frames=4)
    assert review.num_frames == 4 and review.truth is None
    assert all(len(track.masks) == 4 for track in review.tracks)


def test_results_without_tracks(scene, tmp_path):
    (tmp_path / 'results.json').write_text('[]')
    review = open_review(tmp_path, scene.frames, scene.tracks, max_frames=2)
    assert review.num_frames == 2 and make_rows(review.tracks) == []
    assert list(review.film(tmp_path / 'film.mp4')) == [1, 2]


def test_segments_beside_their_truth(scene, panoptic_results):
    review = open_review(
        panoptic_results, scene.frames, scene.segments, max_frames=5
    )
    rows = make_rows(review.tracks, review.matches)
    assert review.num_frames == 5 and len(rows) == len(review.truth) > 3
    assert all(row[2] == '' and row[-1] == 1 for row in rows)
    pixels = sum(
        mask_utils.area(mask)
        for track in review.tracks
        for mask in track.masks
        if mask
    )
    assert 0.9 * 5 * 96 * 160 < pixels <= 5 * 96 * 160


def test_masks_of_the_demo_without_json(scene, panoptic_results, tmp_path):
    """The table segments.json has the classes of all frames."""
    full = open_review(panoptic_results, scene.frames)
    content = json.loads((panoptic_results / 'pred.json').read_text())
    names = {x['id']: x['name'] for x in content['categories']}
    classes = {
        segment['id']: names[segment['category_id']]
        for frame in content['annotations'][0]['annotations']
        for segment in frame['segments_info']
    }
    folder = panoptic_results / 'pan_pred/val_0000'
    table = folder / 'segments.json'
    table.write_text(
        json.dumps([dict(id=i, category=c) for i, c in classes.items()])
    )
    review = open_review(folder, scene.frames)
    table.unlink()
    assert make_rows(review.tracks) == make_rows(full.tracks)


def change(path, target, edit):
    """Write a changed copy of a JSON file."""
    content = json.loads(path.read_text())
    edit(content)
    target.write_text(json.dumps(content))
    return target


def test_results_that_do_not_fit(
    scene, submission, panoptic_results, tmp_path
):
    def other_video(content):
        content[0]['video_id'] = 7

    def no_score(content):
        del content[0]['score']

    def wrong_size(content):
        content[0]['segmentations'][0] = dict(size=[9, 9], counts='Y2')

    results = panoptic_results / 'pred.json'
    for place, truth, text in (
        (tmp_path, None, 'no results.json or pred.json'),
        (tmp_path / 'no.json', None, 'does not exist'),
        (submission, scene.segments, "the field 'id' is missing"),
        (results, scene.tracks, "field 'isthing' is missing"),
        (
            change(submission, tmp_path / 'a.json', other_video),
            None,
            'choose one by --video-id. The ids are 7, 1',
        ),
        (
            change(submission, tmp_path / 'b.json', no_score),
            None,
            "item 0: the field 'score' is missing",
        ),
        (
            change(submission, tmp_path / 'c.json', wrong_size),
            None,
            'item 0: the mask of frame 0 is 9 x 9',
        ),
    ):
        with pytest.raises((InputError, FileNotFoundError), match=text):
            open_review(place, scene.film, truth)
    with pytest.raises(FileNotFoundError, match='--masks'):
        open_review(panoptic_results, scene.frames, masks=tmp_path)


def test_messages_of_the_page_have_no_folders():
    text = 'The file /srv/data/a.b/x.mp4 is 2/3 of http://host/b/page.'
    expected = 'The file x.mp4 is 2/3 of http://host/b/page.'
    assert hide_folders(text) == expected
    assert 'srv' not in hide_folders('file:///srv/data/a b/x.mp4')
