# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of videos and frames."""

from projects.maxtron.structures import (
    check_distinct_frames,
    frame_name,
    frame_names,
    restore_order,
    video_folder,
)

import pytest


@pytest.mark.parametrize(
    'path, video_id, name',
    [
        ('00001.png', 'a', '00001'),
        ('data/images/a/00001.jpg', 'a', '00001'),
        ('a/00001.jpg', 'a', '00001'),
        ('/data/SEQ/img1/000001.jpg', 'SEQ', 'img1/000001'),
        ('img1/000001.png', 'SEQ', 'img1/000001'),
        ('x/7/7/3.jpg', 7, '3'),
        ('x/day 1/front/3.v2.jpg', 'day 1/front', '3.v2'),
        ('other/ba/00001.jpg', 'a', 'other/ba/00001'),
    ],
)
def test_frame_name(path, video_id, name):
    assert frame_name(path, video_id) == name


def test_frame_names_without_the_folder_of_the_video():
    assert frame_names(['x/b/0.jpg', 'x/c/0.jpg'], 'a') == ['b/0', 'c/0']
    assert frame_names(['x/b/0.jpg', 'x/b/1.jpg'], 'a') == ['0', '1']
    assert frame_names(['x/a/0.jpg', 'x/a/b/0.jpg'], 'a') == ['0', 'b/0']


@pytest.mark.parametrize('name', ['', ' ', '.', '..', '../a', '/a', 'a/../..'])
def test_names_that_leave_the_folder(name):
    with pytest.raises(ValueError, match='is no name of a folder'):
        video_folder(name)
    assert video_folder('a//b/') == 'a/b' and video_folder(3) == '3'


def test_order_of_a_list():
    def order(*names):
        return [names[i] for i in restore_order(names)]

    assert order('1', '10', '2') == ['1', '2', '10']
    assert order('2', '10', '1') == ['2', '10', '1']  # meant so
    assert order('01', '02', '10') == ['01', '02', '10']
    # text order with the suffix: 'a (1).png' before 'a.png'
    assert order('a (1)', 'a') == ['a', 'a (1)']
    assert order('a (1).png', 'a.png') == ['a.png', 'a (1).png']


def test_distinct_frames():
    check_distinct_frames([('a', ['0', '1']), ('b', ['0']), ('a/b', ['0'])])
    with pytest.raises(ValueError, match='Videos a and a/b both .* a/b/0'):
        check_distinct_frames([('a', ['b/0']), ('a/b', ['0'])])
