# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import re
import shutil
from pathlib import Path

from projects.maxtron.datasets import OVISDataset

import pytest

from tests.scripts import run_fork
from tests.test_datasets import tiny_coco, tiny_panoptic, tiny_videos
from tests.test_tools import tiny_downloads
from tests.test_tools.dataset_faults import (
    FORMS,
    change_file,
    cut,
    cut_mask,
    edit,
    no_mask,
    other_category,
    other_category_of_segment,
    paint,
    rename_category,
    repeat_first,
    repeat_frame,
    repeat_image,
    same_instance,
    set_first,
    shrink,
)
from tools.misc import browse_dataset, check_dataset
from tools.misc.check_dataset import main

ROOT = Path(__file__).parents[2]
CLASSES = OVISDataset.METAINFO['classes']


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """All forms in one folder."""
    root = tmp_path_factory.mktemp('sound')
    tiny_videos.write_dataset(
        root, 'train', 'annotations/ovis_train.json', CLASSES
    )
    tiny_videos.write_dataset(
        root,
        'valid',
        'annotations/ovis_valid.json',
        CLASSES,
        with_annotations=False,
    )
    for name, content in tiny_downloads.vipseg_files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    shutil.copytree(root / 'imgs', root / 'images')
    for name, (*_, length) in tiny_panoptic.VIDEOS.items():
        for t in range(length):
            tiny_panoptic.write_map(
                root / f'panomasksRGB/{name}/{t:05d}.png',
                tiny_panoptic.draw_map(name, t),
                rgb=True,
            )
    tiny_coco.write_coco(root)
    for split in ('train', 'val'):
        (root / f'panoptic_gt_VIPSeg_{split}.json').write_text(
            json.dumps(tiny_panoptic.annotations())
        )
        (root / f'annotations/instances_{split}2017.json').write_bytes(
            tiny_downloads.coco_instances()
        )
    return root


@pytest.fixture
def root(sound, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(sound, tmp_path / 'own')


def command(form, root, *args):
    config, _, _, _, options = FORMS[form]
    return [
        str(ROOT / 'configs/_base_/datasets' / config),
        '--nproc=1',
        *args,
        '--cfg-options',
        *options,
        *(
            f'{split}_dataloader.dataset.data_root={root}/'
            for split in ('train', 'val')
        ),
    ]


def read_tables(output):
    """Rows of each table: a list of dicts."""
    tables = []
    for line in output.splitlines():
        if re.match(r'\+(train|val)-', line):
            tables.append({})
        elif line.startswith('| '):
            key, value = line.strip('| ').split(' | ')
            tables[-1][key.strip()] = value.strip()
    return tables


@pytest.mark.parametrize(
    'form, train, val',
    [
        (
            'ovis',
            (2, '13 (6 to 7', 11, 3, '16', '3 of 25'),
            (2, '13 (6 to 7', 0, 0, '0', '0 of 25'),
        ),
        ('vipseg', (2, '12 (5 to 7', 12, 4, '46', '5 of 124'), None),
        (
            'raw',
            (2, '12 (5 to 7', 12, 4, '46 (in the d', '5 of 124'),
            (1, '5 (5 to 5', 5, 2, '18 (in the d', '4 of 124'),
        ),
        ('coco', (3, '3 (1 to 1', 3, 3, '10', '4 of 133'), None),
        ('instances', (3, '3 (1 to 1', 3, 3, '3', '3 of 80'), None),
    ],
)
def test_counts_of_sound_data(sound, capsys, form, train, val):
    main(command(form, sound))
    output = capsys.readouterr().out
    assert output.endswith('No errors.\n')
    for table, wanted in zip(read_tables(output), (train, val or train)):
        for key, value in zip(
            (
                'videos',
                'frames',
                'annotated frames',
                'instances',
                'masks',
                'categories',
            ),
            wanted,
        ):
            assert table[key].startswith(str(value)), key
        assert table['errors'] == '0'
        assert table['decoded frames'] == table['frames'].split()[0]


@pytest.mark.parametrize('form, spoil, message', [
    *((form, change_file(form, 2, Path.unlink),
       f'/{FORMS[form][2]}, does not exist. Check')
      for form in FORMS if form != 'raw'),
    ('raw', change_file('raw', 2, Path.unlink),
     'landscape: frame 00003 has a map in ROOT/panomasks/landscape, but no'),
    *((form, change_file(form, 3, Path.unlink),
       f'/{FORMS[form][3]} does not exist. Check')
      for form in ('vipseg', 'coco')),
    *((form, change_file(form, 2, cut),
       f'/{FORMS[form][2]}, cannot be read as an image. Is the file complete?')
      for form in ('ovis', 'vipseg', 'coco')),
    *((form, change_file(form, 2, shrink),
       f'/{FORMS[form][2]}, is 32 x 48 (height x width), but the annotation '
       'file says 64 x 96') for form in FORMS),
    ('vipseg', change_file('vipseg', 3, shrink),
     'the panoptic map is 32 x 48 (height x width), but the image'),
    *((form, change_file(form, 3, paint),
       'the panoptic map has the segment 5066061, which the annotation file '
       'does not list for this frame') for form in ('vipseg', 'coco')),
    ('raw', change_file('raw', 3, paint),
     'has the value 19999, which means class number 199'),
    *((form, edit(form, set_first('category_id', 999)), text)
      for form, text in (
          ('ovis', 'annotation 1 has the unknown category 999'),
          ('vipseg', 'has the unknown category 999'),
          ('coco', 'of image 1 has the unknown category 999. Correct'),
          ('instances', '1 of image 1 has the unknown category 999'))),
    *((form, edit(form, rename_category), text) for form, text in (
        ('ovis', "has no category named 'Person'"),
        ('vipseg', "has a category named 'wall', the file has none"),
        ('coco', "has no category named 'person'. Is it the file"),
        ('instances', "has no category named 'person'. Is it the file"))),
    *((form, edit(form, repeat_first), text) for form, text in (
        ('ovis', 'annotation 1: another annotation has the same id. Give'),
        ('coco', 'segment 65280 of image 1 is listed twice'),
        ('instances', 'annotation 1 of image 1 is listed twice'))),
    ('ovis', edit('ovis', repeat_frame),
     'image 10: another image has the same id. Give'),
    ('coco', edit('coco', repeat_image),
     'image 2: another image has the same id. Give'),
    ('ovis', edit('ovis', same_instance), 'the id 1 is given twice. Give'),
    ('ovis', edit('ovis', other_category), "00002.png the tube 1 is 'Cow', "
     "but 'Person' in "),
    ('vipseg', edit('vipseg', other_category_of_segment),
     "landscape/00002.jpg the tube 7895160 is 'escalator', but 'wall' in "),
    ('ovis', edit('ovis', cut_mask), 'annotation 1: the mask in image 1 '
     '(landscape/00000.png) has runs of 3072 pixels in its counts, but the im'),
    ('ovis', edit('ovis', no_mask), '(landscape/00000.png) does not decode. Correct'),
    ('ovis', edit('ovis', lambda content: content.pop('images')),
     'has no images: it is not a per-image annotation file'),
    ('coco', edit('coco', lambda content: content['annotations'].pop()),
     'image 3 has 0 annotations in place of one'),
    ('coco', edit('coco', lambda content: content.pop('categories')),
     "the field 'categories' is missing"),
    ('vipseg', lambda root: (
        root / 'panoptic_gt_VIPSeg_train.json').unlink(), 'does not exist'),
])  # yapf: disable
def test_each_fault_is_found(root, capsys, form, spoil, message):
    spoil(root)
    with pytest.raises(SystemExit, match=r'check_dataset: \d error') as end:
        main(command(form, root))
    lines = capsys.readouterr().out.splitlines()
    found = [line for line in lines if re.match('(train|val): ', line)]
    assert end.value.args == (f'check_dataset: {len(found)} error(s)',)
    # of the validation set there is something only where files are shared
    found = [line for line in found if line.startswith('train: ')]
    assert len(found) == 1
    assert message.replace('ROOT', str(root)) in found[0]


def spoil_annotations(content):
    """Damage six annotations in six ways; all masks but one are good."""
    for ann, changes in zip(
        content['annotations'],
        (
            dict(bbox=None),
            dict(bbox=[0, 0, 0, 0]),
            dict(bbox=[0.1, 0.2, 0.3, 0.4], area=0),
            dict(segmentation=[[3, 3, 9, 9]]),
            dict(ignore=1),
            dict(category_id=26),
        ),
    ):
        ann.update(changes)
    content['categories'].append(dict(id=26, name='unicorn'))


def test_annotations_are_counted(root, capsys):
    """A wrong box does not lose a mask; the table has the reasons."""
    edit('ovis', spoil_annotations)(root)
    main(command('ovis', root))
    train, val = read_tables(capsys.readouterr().out)
    assert train['annotations in the file'] == '16'
    assert train['masks'] == '13'
    reasons = (
        "mask without a pixel, 1 marked by 'ignore', 1 of a category that "
        'is not in classes'
    )
    assert train['left out'] == f'3: 1 {reasons}'
    assert (val['annotations in the file'], val['left out']) == ('0', '0')


@pytest.mark.slow
@pytest.mark.parametrize(
    'changes, message, left_out',
    [
        ({}, None, '0'),
        (dict(bbox=[0, 0, 0, 0]), 'has the bbox [0, 0, 0, 0] and the', None),
        (dict(area=0), 'has the bbox [16, 16, 16, 16] and the area 0', None),
        (dict(bbox=[200, 16, 16, 16]), 'by which MMDetection leaves', None),
        (dict(bbox=[0.1, 0.1, 0.1, 0.1]), 'leaves out its mask', None),
        (dict(bbox=None), "the field 'bbox' is null, but must be four", None),
        (dict(area='9'), 'the field \'area\' is "9", but must be', None),
        (dict(iscrowd=-1), "the field 'iscrowd' is -1, but must be 0 o", None),
        (dict(segmentation=None), "the field 'segmentation' is null", None),
        (dict(segmentation={}), "000001.jpg that has no 'counts'", None),
        (dict(image_id=77), 'image 77 belongs to no image of the', None),
        (dict(segmentation=[]), None, '1: 1 mask without a pixel'),
        (dict(segmentation=[[1, 2, 3, 4]]), None, '1: 1 mask without a pi'),
        (dict(ignore=1), None, "1: 1 marked by 'ignore'"),
    ],
)
def test_instances_of_coco_are_counted(
    root, capsys, changes, message, left_out
):
    """MMDetection trusts boxes and skips their masks silently."""

    def change(content):
        content['annotations'][0].update(changes)

    edit('instances', change)(root)
    if message is None:
        main(command('instances', root))
        table = read_tables(capsys.readouterr().out)[0]
        assert table['annotations in the file'] == '3'
        assert table['left out'].startswith(left_out)
    else:
        with pytest.raises(SystemExit, match='1 error'):
            main(command('instances', root))
        line = capsys.readouterr().out.splitlines()[0]
        assert f'train: {root}/annotations/instances_train2017.json' in line
        assert f'annotation {1}' in line and message in line


def test_only_some_frames_are_decoded(root, capsys):
    """All files are looked for, but only the first errors are printed."""
    for path in (root / 'train/landscape').glob('*[123].png'):
        path.unlink()
    for path in (root / 'train/portrait').glob('*.png'):
        path.write_bytes(b'')
    command_ = command('ovis', root, '--splits=train', '--max-errors=2')
    for extra, found in ((['--sample=2'], 4), (['--full'], 9)):
        with pytest.raises(SystemExit, match=f'{found} error'):
            main([*command_[:1], *extra, *command_[1:]])
        output = capsys.readouterr().out
        assert output.count('\ntrain: ') == 3
        assert f'train: {found - 2} more (--max-errors)' in output
        assert read_tables(output)[0]['errors'] == str(found)


@pytest.mark.slow
def test_as_a_script_with_processes(root):
    (root / 'annotations/panoptic_train2017/000000000001.png').unlink()
    args = command('coco', root)
    args[1] = '--nproc=2'
    result = run_fork('tools/misc/check_dataset.py', root, *args)
    assert result.returncode == 1, result.stderr
    assert result.stderr.endswith('check_dataset: 1 error(s)\n')
    assert 'Traceback' not in result.stderr
    assert [t['errors'] for t in read_tables(result.stdout)] == ['1', '0']


def test_bad_usage(sound, capsys):
    for args, message in (
        (['--nproc=0'], '--nproc must be 1 or more'),
        (['--splits', 'all'], 'invalid choice'),
    ):
        with pytest.raises(SystemExit):
            main(command('ovis', sound, *args))
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(sound / 'missing.py')])
    assert 'Config not found' in capsys.readouterr().err
    model = 'configs/_base_/models/tube-link_r50.py'
    with pytest.raises(SystemExit):
        main([str(ROOT / model)])
    assert 'has no train_dataloader' in capsys.readouterr().err


@pytest.mark.parametrize('module', [check_dataset, browse_dataset])
@pytest.mark.parametrize(
    'dataset, message',
    [
        (dict(type='OVSDataset'), 'OVSDataset is not in the mmdet::dataset'),
        (
            dict(type='OVISDataset', ann_file='x.json', clip_lenn=2),
            "OVISDataset cannot be built: .*argument 'clip_lenn'",
        ),
    ],
)
def test_datasets_that_cannot_be_built(
    tmp_path, capsys, module, dataset, message
):
    config = tmp_path / 'config.py'
    config.write_text(f'train_dataloader = dict(dataset={dataset})')
    args = [str(config), f'--output-dir={tmp_path}', '--not-show']
    with pytest.raises(SystemExit) as info:
        module.main(args[:1] if module is check_dataset else args)
    text = str(info.value) + capsys.readouterr().err
    assert re.search(message, text), text
