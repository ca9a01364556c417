# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Faults that ``check_dataset.py`` must find, as functions of a folder."""

import json

import cv2
import numpy as np
from pycocotools import mask as mask_utils

# form -> config, annotation file, image, map, options
FORMS = dict(
    ovis=('ovis.py', 'annotations/ovis_{}.json',
          'train/landscape/00003.png', None, ()),
    vipseg=('vipseg.py', 'panoptic_gt_VIPSeg_{}.json',
            'images/landscape/00003.jpg', 'panomasksRGB/landscape/00003.png',
            ()),
    raw=('vipseg.py', '{}.txt', 'imgs/landscape/00003.jpg',
         'panomasks/landscape/00003.png',
         [f'{split}_dataloader.dataset.ann_file={split}.txt'
          for split in ('train', 'val')]),
    coco=('coco_panoptic_kmax.py', 'annotations/panoptic_{}2017.json',
          'train2017/000000000002.jpg',
          'annotations/panoptic_train2017/000000000002.png', ()),
    instances=('../../tube_link/coco/mask2former_r50_8xb2-lsj-50e_coco.py',
               'annotations/instances_{}2017.json',
               'train2017/000000000002.jpg', None, ()))  # yapf: disable


def edit(form, change):
    """Change the training annotations."""

    def spoil(root):
        path = root / FORMS[form][1].format('train')
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return spoil


def change_file(form, which, change):
    """Change an image (2) or a map (3)."""
    return lambda root: change(root / FORMS[form][which])


def shrink(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), np.ascontiguousarray(image[::2, ::2]))


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def paint(path):
    """Paint an id into a map that no annotation has."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image[:5, :5] = 19999 if image.dtype == np.uint16 else 77
    cv2.imwrite(str(path), image)


def set_first(key, value):
    """Change a field of the first annotation."""

    def change(content):
        ann = content['annotations'][0]
        while key not in ann:  # panoptic: of a segment of a frame of a video
            ann = (ann.get('annotations') or ann['segments_info'])[0]
        ann[key] = value

    return change


def repeat_first(content):
    anns = content['annotations']
    while 'segments_info' not in anns[0] and 'annotations' in anns[0]:
        anns = anns[0]['annotations']
    anns = anns[0].get('segments_info', anns)
    anns.append(dict(anns[0]))


def rename_category(content):
    content['categories'][0]['name'] = 'unicorn'


def repeat_frame(content):
    """Give two frames without annotations one id."""
    content['images'][12]['id'] = content['images'][9]['id']


def repeat_image(content):
    content['annotations'].pop()
    content['images'][2]['id'] = content['images'][1]['id']


def same_instance(content):
    """Give an object of a frame the id of another object."""
    frame = content['annotations'][4]['image_id']
    for ann in content['annotations']:
        if ann['image_id'] == frame:
            ann.update(instance_id=1, category_id=1)


def other_category(content):
    """Change the class of the tube in its third frame."""
    first = content['annotations'][0]
    tube = [
        a
        for a in content['annotations']
        if a['instance_id'] == first['instance_id']
    ]
    tube[2]['category_id'] = 7


def other_category_of_segment(content):
    frames = content['annotations'][0]['annotations']
    frames[2]['segments_info'][0]['category_id'] = 5


def cut_mask(content):
    """Remove runs at the end of a mask, which pycocotools accepts."""
    rle = mask_utils.encode(np.asfortranarray(np.ones((64, 48), np.uint8)))
    content['annotations'][0]['segmentation']['counts'] = rle[
        'counts'
    ].decode()


def no_mask(content):
    content['annotations'][0]['segmentation']['counts'] = '~o'
