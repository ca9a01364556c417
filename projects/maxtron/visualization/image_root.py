# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Common folder of the images of a dataset, for the names of drawings."""

import os.path as osp
from itertools import takewhile
from typing import Any

# Keys of data_prefix in MMDetection's datasets.
_IMAGE_KEYS = ('img_path', 'img')


def find_image_root(dataset: Any) -> str:
    """Find the folder that holds all images of a dataset.

    Args:
        dataset (Any): A built dataset, or a wrapper such as ConcatDataset.

    Returns:
        str: The folder. For a wrapper, the common folder of all wrapped
        datasets, ``''`` if there is none.
    """
    roots = [
        osp.normpath(root).replace('\\', '/').split('/')
        for root in _image_folders(dataset)
    ]
    common = takewhile(lambda parts: len(set(parts)) == 1, zip(*roots))
    root = '/'.join(parts[0] for parts in common)
    return '' if root == '.' else root


def _image_folders(dataset: Any) -> list[str]:
    """List the image folders of a dataset and of wrapped datasets."""
    wrapped = getattr(dataset, 'datasets', None)
    if wrapped is None and hasattr(dataset, 'dataset'):
        wrapped = [dataset.dataset]
    if wrapped is not None:
        return [folder for part in wrapped for folder in _image_folders(part)]
    prefix = getattr(dataset, 'data_prefix', {})
    folders = (prefix[key] for key in _IMAGE_KEYS if prefix.get(key))
    return [next(folders, getattr(dataset, 'data_root', ''))]
