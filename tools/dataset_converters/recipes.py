# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Rules of ``prepare_dataset.py`` for every dataset."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tools.dataset_converters import youtube_vis_to_coco

# sequences of the validation set of KITTI-STEP
KITTI_VAL = '00(?:02|06|07|08|10|13|14|16|18)'
# ends of the names of images and maps of Cityscapes-VPS
CITYSCAPES_KIND = '(?:_newImg8bit|_leftImg8bit|_final_mask)?'
VIPSEG = 'VIPSeg_720P'  # output of vipseg_to_720p


class Recipe(NamedTuple):
    """Rules that turn downloads into a dataset.

    Attributes:
        config (str): Config that reads the dataset, below ``configs``.
        folder (str): Folder that the configs read.
        rules (list[tuple[str, str]]): Pattern of a path in a source (its first
            part is the name of the source), and the path below ``folder``.
        needs (dict[str, list[tuple]]): For each split, alternative paths below
            ``folder``, and the download that contains them.
        checked (str): Folder below ``folder`` to check, the data_root.
        version (str, optional): Version for youtube_vis_to_coco.
        note (str): Advice if something is missing.
    """

    config: str
    folder: str
    rules: list[tuple[str, str]]
    needs: dict[str, list[tuple[tuple[str, ...], str]]]
    checked: str = ''
    version: str | None = None
    note: str = ''

    def place(self, path: str) -> str | None:
        """Map a path in a source to a path below the folder, if needed."""
        for pattern, target in self.rules:
            # The last folder that is named after a split determines the split.
            match = re.match(f'(?:.*/)?{pattern}$', path)
            if match:
                return match.expand(target)
        return None


def _instances(
    version: str,
    config: str,
    frames: str,
    annotations: str,
    splits: Sequence[str] = ('train', 'valid'),
    note: str = '',
) -> Recipe:
    """Make the recipe of YouTube-VIS or OVIS.

    Args:
        version (str): See youtube_vis_to_coco.
        config (str): Name of the base config, and of the folder.
        frames (str): Folder of the videos within a split's folder.
        annotations (str): Pattern of the original annotation files.
        splits (Sequence[str]): Splits that are read from this folder.
        note (str): See :class:`Recipe`.
    """
    source, _ = youtube_vis_to_coco.LAYOUTS[version]
    rules = [
        (
            f'(train|valid|test)/(?:.*/)?{frames}'
            '([^/]+/[^/]+[.](?:jpe?g|png))',
            rf'\1/{frames}\2',
        ),
        (annotations, source.format(split=r'\1')),
    ]
    if 'train' not in splits:
        rules = [(p.replace('train|', ''), target) for p, target in rules]
    needs = {}
    for split in splits:
        original, converted = youtube_vis_to_coco.file_names(version, split)
        archive = f'{split}.zip'
        needs[split.replace('valid', 'val')] = [
            ((f'{split}/{frames}',), archive),
            (
                (original, f'annotations/{converted}'),
                archive if '/' in original else original,
            ),
        ]
    return Recipe(
        f'_base_/datasets/{config}.py',
        f'data/{config}',
        rules,
        needs,
        version=version,
        note=note,
    )


def _youtube_vis(version: str, **kwargs) -> Recipe:
    return _instances(
        version,
        f'youtube_vis_{version}',
        'JPEGImages/',
        '(train|valid|test)(?:/instances)?[.]json',
        **kwargs,
    )


def _vipseg_needs(split: str) -> list[tuple[tuple[str, ...], str]]:
    converted = f'{VIPSEG}/panoptic_gt_VIPSeg_{split}.json'
    return [
        ((path, converted), 'the archive of VIPSeg')
        for path in ('imgs', 'panomasks', f'{split}.txt')
    ]


def _coco(config: str, annotations: Sequence[str], archive: str) -> Recipe:
    """Make the recipe of COCO with one kind of annotations."""
    splits = ('train', 'val')
    return Recipe(
        config,
        'data/coco',
        [
            ('((?:train|val)2017)/([^/]+[.]jpg)', r'\1/\2'),
            (
                '(panoptic_(?:train|val)2017)/([^/]+[.]png)',
                r'annotations/\1/\2',
            ),
            (
                '((?:panoptic|instances)_(?:train|val)2017[.]json)',
                r'annotations/\1',
            ),
        ],
        {
            split: [((f'{split}2017',), f'{split}2017.zip')]
            + [
                ((f'annotations/{name.format(split)}',), archive)
                for name in annotations
            ]
            for split in splits
        },
    )


RECIPES = dict(
    youtube_vis_2019=_youtube_vis('2019'),
    youtube_vis_2021=_youtube_vis('2021'),
    youtube_vis_2022=_youtube_vis(
        '2022',
        splits=('valid',),
        note=' Its training set is that of youtube_vis_2021, which the '
        'configs read there.',
    ),
    ovis=_instances(
        'ovis', 'ovis', '', 'annotations_(train|valid|test)[.]json'
    ),
    lv_vis=Recipe(
        '_base_/datasets/lv_vis.py',
        'data/lv_vis',
        [
            (
                '(train|val)/(?:JPEGImages/)?([^/]+/[^/]+[.]jpg)',
                r'JPEGImages/\1/\2',
            ),
            ('((?:train|val)_instances[.]json)', r'\1'),
        ],
        {
            split: [
                ((f'JPEGImages/{split}',), f'the videos of {split}'),
                (
                    (
                        f'{split}_instances.json',
                        f'annotations/lv_vis_{split}.json',
                    ),
                    f'{split}_instances.json',
                ),
            ]
            for split in ('train', 'val')
        },
        version='lv_vis',
    ),
    vipseg=Recipe(
        '_base_/datasets/vipseg.py',
        'data/VIPSeg',
        [
            ('(imgs|panomasks)/([^/]+/[^/]+[.](?:jpg|png))', r'\1/\2'),
            ('(train|val|test)[.]txt', r'\1.txt'),
        ],
        {split: _vipseg_needs(split) for split in ('train', 'val')},
        checked=VIPSEG,
    ),
    cityscapes_vps=Recipe(
        '_base_/datasets/cityscapes_vps.py',
        'data/cityscapes_vps',
        [
            *(
                (
                    rf'({source}(\d{{4}})_([^/]+?){CITYSCAPES_KIND}[.]png',
                    rf'{target}/\1/\2/\2_\3.png',
                )
                for source, target in (
                    ('train)/img/', 'images'),
                    ('val)/img_all/', 'images'),
                    ('train|val)/panoptic_video/', 'panomasksRGB'),
                )
            ),
            ('(panoptic_gt_(?:train|val)_city_vps[.]json)', r'\1'),
        ],
        {
            split: [
                ((f'images/{split}',), f'{split}/{images}'),
                ((f'panomasksRGB/{split}',), f'{split}/panoptic_video'),
                (
                    (f'panoptic_gt_{split}_city_vps.json',),
                    f'panoptic_gt_{split}_city_vps.json',
                ),
            ]
            for split, images in (('train', 'img'), ('val', 'img_all'))
        },
    ),
    kitti_step=Recipe(
        '_base_/datasets/kitti_step.py',
        'data/kitti_step',
        [
            # the archive of KITTI tracking, which has no split
            (
                f'training/image_02/({KITTI_VAL})/([^/]+[.]png)',
                r'images/val/\1/\2',
            ),
            (r'training/image_02/(\d+)/([^/]+[.]png)', r'images/train/\1/\2'),
            (
                '(images|panoptic_maps)/(train|val)/([^/]+/[^/]+[.]png)',
                r'\1/\2/\3',
            ),
        ],
        {
            split: [
                ((f'panoptic_maps/{split}',), 'kitti-step.tar.gz'),
                ((f'images/{split}',), 'data_tracking_image_2.zip'),
            ]
            for split in ('train', 'val')
        },
    ),
    vspw=Recipe(
        '_base_/datasets/vspw.py',
        'data/VSPW_480p',
        [
            (
                'data/([^/]+)/(origin|mask)/([^/]+[.](?:jpg|png))',
                r'data/\1/\2/\3',
            ),
            ('(train|val|test)[.]txt', r'\1.txt'),
        ],
        {
            split: [
                (('data',), 'the archive of VSPW_480p'),
                ((f'{split}.txt',), 'the archive of VSPW_480p'),
            ]
            for split in ('train', 'val')
        },
    ),
    coco_panoptic=_coco(
        '_base_/datasets/coco_panoptic_kmax.py',
        ['panoptic_{}2017.json', 'panoptic_{}2017'],
        'panoptic_annotations_trainval2017.zip',
    ),
    coco_instance=_coco(
        'tube_link/coco/mask2former_r50_8xb2-lsj-50e_coco.py',
        ['instances_{}2017.json'],
        'annotations_trainval2017.zip',
    ),
)
