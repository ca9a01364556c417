# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from types import SimpleNamespace

from projects.maxtron.visualization import find_image_root

import pytest


def data(**prefix):
    return SimpleNamespace(data_root='data/', data_prefix=prefix)


@pytest.mark.parametrize(
    'dataset, root',
    [
        (data(img_path='data/a/', seg_map_path='data/b'), 'data/a'),
        (data(img='/data/val2017'), '/data/val2017'),
        (data(img_path=''), 'data'),
        (SimpleNamespace(), ''),
        (SimpleNamespace(dataset=data(img='x\\y')), 'x/y'),
        (SimpleNamespace(datasets=[data(img='x/a'), data(img='x/b')]), 'x'),
        (SimpleNamespace(datasets=[data(img='x/a'), data(img='y/a')]), ''),
        (SimpleNamespace(datasets=[data(img='/x'), data(img='/y/a')]), ''),
    ],
)
def test_folder_of_all_images(dataset, root):
    assert find_image_root(dataset) == root
