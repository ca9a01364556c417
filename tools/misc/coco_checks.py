# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checks of COCO files, which MMDetection does not check."""

from collections import Counter
from collections.abc import Iterator

from projects.maxtron.json_file import (
    BOX,
    FLAG,
    ID,
    NUMBER,
    SIZE,
    TEXT,
    Entry,
    Kind,
    index_by_id,
    load_json,
)
from projects.maxtron.structures import index_categories, to_rle

from mmdet.datasets import CocoDataset
from pycocotools import mask as mask_utils

_MASK = Kind(
    'a list of polygons or run lengths', lambda v: isinstance(v, (dict, list))
)


class CocoFileChecker:
    """Checker of an annotation file of instances or panoptic segments.

    Args:
        dataset (CocoDataset): The dataset that reads the file.

    Attributes:
        num_annotations (int): Number of instances or segments in the file.
        left_out (Counter): Number of instances that MMDetection skips, by
            reason.
    """

    def __init__(self, dataset: CocoDataset) -> None:
        self.path = dataset.ann_file
        self.backend_args = dataset.backend_args
        self.classes = dataset.metainfo['classes']
        self.things = dataset.metainfo.get('thing_classes')
        self.num_annotations = 0
        self.left_out: Counter[str] = Counter()

    def __call__(self) -> Iterator[str]:
        """Check the file.

        Yields:
            str: A sentence for each problem.

        Raises:
            ValueError: If the file is not JSON, or its top level or the list
                of categories or images is wrong.
        """
        top = load_json(self.path, self.backend_args)
        categories = index_categories(top)
        names = {key: c.values['name'] for key, c in categories.items()}
        yield from self._compare_classes(
            {c.values['name']: c for c in categories.values()}
        )
        images = index_by_id(top.entries('images', 'image'), 'image')
        for image in images.values():
            for field, kind in (
                ('file_name', TEXT),
                ('height', SIZE),
                ('width', SIZE),
            ):
                image.require(field, kind)
        if self.things is None:
            yield from self._check_instances(top, images, names)
        else:
            yield from self._check_segments(top, images, names)

    def _compare_classes(self, found: dict[str, Entry]) -> Iterator[str]:
        """Compare the classes of the config with those of the file."""
        for name in self.classes:
            if name not in found:
                yield (
                    f'{self.path} has no category named {name!r}. Is '
                    'it the file of this dataset? Else list the classes of '
                    'your data in metainfo=dict(classes=...).'
                )
            elif self.things is not None and (
                bool(found[name].require('isthing', FLAG))
                != (name in self.things)
            ):
                yield (
                    f'{self.path}: category {name!r} is a thing in one '
                    'of file and config, and stuff in the other. Correct '
                    'isthing, or thing_classes and stuff_classes in metainfo.'
                )

    def _check_instances(
        self, top: Entry, images: dict[str, Entry], names: dict[str, str]
    ) -> Iterator[str]:
        """Check the annotations of a file of instances."""
        anns = top.entries('annotations', 'annotation')
        ids: set[str] = set()
        self.num_annotations = len(anns)
        for ann in anns:
            try:
                ann_id, image_id, category_id = (
                    str(ann.require(field, ID))
                    for field in ('id', 'image_id', 'category_id')
                )
                fault = self._find_fault(ann, images.get(image_id), names)
            except ValueError as error:
                yield str(error)
                continue
            if ann_id in ids:
                yield (
                    f'{ann.where} of image {image_id} is listed twice. Give '
                    'every one its own id.'
                )
            ids.add(ann_id)
            if fault:
                yield f'{ann.where} of image {image_id} {fault}'

    def _find_fault(
        self, ann: Entry, image: Entry | None, names: dict[str, str]
    ) -> str | None:
        """Find the fault of an instance; count it if it is skipped."""
        category = names.get(str(ann.values['category_id']))
        ann.optional('iscrowd', FLAG)
        if image is None:
            return 'belongs to no image of the file. Delete it.'
        if category is None:
            return _unknown_category(ann)
        if ann.optional('ignore', FLAG, 0):
            self.left_out["marked by 'ignore'"] += 1
            return None
        if category not in self.classes:
            self.left_out['of a category that is not in classes'] += 1
            return None
        size = image.values['height'], image.values['width']
        mask = ann.require('segmentation', _MASK)
        try:
            rle = to_rle(mask, size)
        except ValueError as error:
            return (
                f'has a mask in {image.values["file_name"]} that {error}. '
                'Correct the annotation.'
            )
        if mask_utils.area(rle) == 0:
            self.left_out['mask without a pixel'] += 1
            return None
        x, y, w, h = ann.require('bbox', BOX)
        is_outside = x >= size[1] or y >= size[0] or x + w <= 0 or y + h <= 0
        if w < 1 or h < 1 or is_outside or ann.require('area', NUMBER) <= 0:
            self.left_out['bbox or area without a pixel'] += 1
            return (
                f'has the bbox {[x, y, w, h]} and the area '
                f'{ann.values["area"]}, by which MMDetection leaves out its '
                'mask. Correct them.'
            )
        return None

    def _check_segments(
        self, top: Entry, images: dict[str, Entry], names: dict[str, str]
    ) -> Iterator[str]:
        """Check the annotations of a panoptic file."""
        annotated: Counter[str] = Counter()
        for ann in top.entries('annotations', 'annotation', 'image_id'):
            image_id = str(ann.require('image_id', ID))
            annotated[image_id] += 1
            ids: set[str] = set()
            for segment in ann.entries('segments_info', 'segment'):
                self.num_annotations += 1
                where = (
                    f'{self.path}: segment {segment.values.get("id")} of '
                    f'image {image_id}'
                )
                segment.optional('iscrowd', FLAG)
                segment_id = str(segment.require('id', ID))
                if segment_id in ids:
                    yield (
                        f'{where} is listed twice. Give every one its own id.'
                    )
                ids.add(segment_id)
                if str(segment.require('category_id', ID)) not in names:
                    yield f'{where} {_unknown_category(segment)}'
        for image_id in annotated.keys() - images.keys():
            yield (
                f'{self.path}: image {image_id} is annotated, but not listed '
                'in images. Delete its annotation.'
            )
        for image_id in images:
            if annotated[image_id] != 1:
                yield (
                    f'{self.path}: image {image_id} has '
                    f'{annotated[image_id]} annotations in place of one. Is '
                    'the file complete?'
                )


def _unknown_category(entry: Entry) -> str:
    """Describe a category that the file does not list."""
    return (
        f'has the unknown category {entry.values["category_id"]}. Correct '
        'it, or add it to categories.'
    )
