# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The rule of VIPSeg's tool that the first listed thing is a crowd."""

import json

from projects.maxtron.evaluation.functional import (
    VideoCounter,
    count_associations,
    count_pairs,
)
from projects.maxtron.evaluation.metrics.stq_metric import has_vipseg_classes
from projects.maxtron.structures import read_id_map, write_id_map

import numpy as np
import pytest

from tests.test_evaluation.panoptic_samples import (
    EXPECTED,
    VIDEOS,
    build,
    evaluate,
    make_sample,
)
from tests.test_evaluation.user_panoptic import (
    load,
    predict,
    run_test,
    save,
    tool_options,
    write,
)
from tools.analysis_tools import eval_stq

IS_THING = (False, True)


def count(first, second):
    """Counts of a frame with two listed segments, (id, category) each."""
    ids = np.array([[first[0]] * 3 + [second[0]] * 2])
    segments = [dict(id=i, category_id=c) for i, c in (first, second)]
    counter = VideoCounter('v', {0: 0, 1: 1})
    counter.add('0', count_pairs(ids, ids, '0'), segments, segments)
    return counter.result()


@pytest.mark.parametrize(
    'first, second, num_tubes, crowd_id',
    [
        ((7, 1), (5, 1), 1, 7),
        ((5, 0), (7, 1), 1, None),  # stuff is no crowd
        ((7, 1), (5, 0), 0, 7),
    ],
)
def test_the_first_listed_thing_does_not_count(
    first, second, num_tubes, crowd_id
):
    counts = count(first, second)
    stats = count_associations(counts, IS_THING)
    assert (stats.num_tubes, stats.crowd_id) == (num_tubes, crowd_id)
    assert stats.association == num_tubes
    stats = count_associations(counts, IS_THING, first_is_crowd=False)
    things = (first[1] == 1) + (second[1] == 1)
    assert (stats.num_tubes, stats.crowd_id) == (things, None)
    assert stats.association == things


def write_things_only(root):
    """A square on a background that is not annotated."""
    content = write(root)
    for frame in content['annotations'][0]['annotations']:
        frame['segments_info'] = frame['segments_info'][2:]
    save(root, content)
    for path in root.glob('panomasksRGB/a/*.png'):
        ids = read_id_map(str(path), '')
        ids[ids != square_id(content)] = 0
        write_id_map(str(path), ids)


def square_id(content):
    """Id of the square."""
    frame = content['annotations'][0]['annotations'][0]
    return frame['segments_info'][0]['id']


def test_own_classes_have_no_crowd_unless_stated(tmp_path, log):
    write_things_only(tmp_path)
    dataset = load(tmp_path)
    association = {}
    for stated in (None, False, True):
        metric = build('STQ', dataset.metainfo, first_is_crowd=stated)
        for sample in predict(dataset):
            metric.process({}, [sample])
        association[stated] = metric.evaluate(1)['vps/AQ']
        assert ('as a crowd' in log.text) == (stated is True)
    assert association == {None: 1, False: 1, True: 0}
    meta = dict(dataset.metainfo, first_is_crowd=True)
    assert build('STQ', meta).applies_crowd_rule
    assert not build('STQ', meta, first_is_crowd=False).applies_crowd_rule


def test_vipseg_has_the_rule(log):
    """Golden numbers include the rule; a warning names each effect."""
    assert has_vipseg_classes(['sky', 'car'])
    assert not has_vipseg_classes(['sky', 'square'])
    report = evaluate([build('STQ')], [make_sample(v) for v in VIDEOS])
    assert report['vps/STQ'] == pytest.approx(EXPECTED['vps/STQ'], abs=1e-9)
    first = [v.frames[0].gt_segments[0]['category_id'] > 2 for v in VIDEOS]
    warning = f'first listed segment of {sum(first)} of 3 videos as a crowd'
    assert (warning in log.text) == any(first)


def test_tool_has_the_option(tmp_path, capsys):
    write_things_only(tmp_path)
    run_test(tmp_path)
    values = {}
    for option in ('auto', 'yes', 'no'):
        path = tmp_path / f'{option}.json'
        options = [f'--first-is-crowd={option}', f'--out={path}']
        eval_stq.main([*tool_options(tmp_path), *options])
        said = 'segment 2631900 of video a' in capsys.readouterr().out
        assert said == (option == 'yes')
        values[option] = json.loads(path.read_text())['AQ']
    assert values == dict(auto=1, yes=0, no=1)
    with pytest.raises(SystemExit):
        eval_stq.main([*tool_options(tmp_path), '--windows', '1'])
