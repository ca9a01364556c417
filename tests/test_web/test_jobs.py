# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Jobs of the page, without the page."""

import shutil
import zipfile
from pathlib import Path

from projects.maxtron.apis import VideoError
from projects.maxtron.errors import InputError
from projects.maxtron.web import Limits, open_upload
from projects.maxtron.web.jobs import pack_masks, read_job
from projects.maxtron.web.tracks import make_curves, make_rows, select

import numpy as np
import pytest

from tests.footage import read_frames
from tests.test_web.tiny_model import MODEL


def test_job_writes_what_the_page_shows(job, scene):
    review = read_job(job, open_upload(scene.film, Limits()), 6)
    assert review.num_frames == 6
    tracks = select(review.tracks, 0.5)
    rows = make_rows(tracks)
    assert len(rows) > 1
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)[::-1]
    assert all(row[2] >= 0.5 and 0 <= row[3] <= row[4] < 6 for row in rows)
    curve = make_curves(tracks[0])
    assert [t for t, *_ in curve] == tracks[0].shown
    mean = np.mean([value for _, value, _ in curve])
    assert mean == pytest.approx(tracks[0].score, abs=1e-3)
    with zipfile.ZipFile(pack_masks(job)) as file:
        names = sorted(file.namelist())
        assert [x for x in names if x.endswith('.png')] == [
            f'{t:06d}.png' for t in range(6)
        ]


def test_one_track_alone(job, scene, tmp_path):
    """Only the pixels of the track and its label change."""
    review = read_job(job, open_upload(scene.film, Limits()), 6)
    best = select(review.tracks, 0)[0]
    assert list(review.film(tmp_path / 'all.mp4')) == [1, 2, 3, 4, 5, 6]
    assert list(review.film(tmp_path / 'one.mp4', best)) == [1, 2, 3, 4, 5, 6]
    height, width = (review.scale * side for side in review.source.size)
    for name in ('all', 'one'):
        frames = read_frames(tmp_path / f'{name}.mp4')
        assert [x.shape for x in frames] == [(height, width, 3)] * 6
    plain = review.draw(read_frames(scene.film)[0], 0, min_score=2)
    changed = {
        name: (review.picture(0, only) != plain).any(axis=2).mean()
        for name, only in (('all', None), ('one', best))
    }
    assert 0 < changed['one'] < changed['all']


def test_frames_in_any_order(job, scene):
    """Steps back and forth give the same frames as a reading in order."""
    review = read_job(job, open_upload(scene.film, Limits()), 6)
    expected = [review.picture(t) for t in range(6)]
    review = read_job(job, open_upload(scene.film, Limits()), 6)
    for t in (4, 3, 5, 0):
        np.testing.assert_array_equal(review.picture(t), expected[t])


PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:9
#EXTINF:9,
file://{film}
#EXT-X-ENDLIST
"""


@pytest.mark.parametrize(
    'content',
    ['no video', PLAYLIST, "ffconcat version 1.0\nfile 'film.mp4'\n", ''],
    ids=['text', 'hls', 'concat', 'empty'],
)
def test_uploads_that_are_no_video(content, scene, tmp_path):
    """FFmpeg would open other videos of the server by HLS and lists."""
    path = tmp_path / 'upload.m3u8'
    film = shutil.copy(scene.film, tmp_path)
    path.write_text(content.format(film=film))
    with pytest.raises(VideoError, match='cannot be read as a vid') as caught:
        open_upload(path, Limits())
    assert str(path.parent) not in str(caught.value)


def test_frames_above_the_limit_are_refused(scene):
    assert open_upload(scene.film, Limits(megapixels=0.02)).size == (96, 160)
    with pytest.raises(VideoError, match='megapixels'):
        open_upload(scene.film, Limits(megapixels=0.01))


def test_models_stay_until_another_is_chosen(models):
    assert models.names == [MODEL]
    assert models.get(MODEL) is models.get(MODEL)
    with pytest.raises(InputError, match='no such model'):
        models.get(str(Path(__file__)))
