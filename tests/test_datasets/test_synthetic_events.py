# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

from projects.maxtron.datasets.synthetic.events import list_events

import pytest


def test_events_name_the_segments_of_the_masks(small):
    """The ids are found from the raw values; the classes must agree."""
    path = str(small / 'scenarios_train.json')
    folder = small / 'vipseg/VIPSeg_720P'
    truth = json.loads((folder / 'panoptic_gt_VIPSeg_train.json').read_text())
    names = {c['id']: c['name'] for c in truth['categories']}
    causes = set()
    for video, entry in zip(truth['annotations'], json.load(open(path))):
        frames = [frame['segments_info'] for frame in video['annotations']]
        labels = {s['id']: s['category_id'] for f in frames for s in f}
        stuff = {label for label in labels.values() if label < 4}
        events = list_events(path, video['video_id'], stuff)
        causes |= {event.cause for event in events}
        number = sum(len(thing['gaps']) for thing in entry['instances'])
        assert len(events) == number + 2 * len(entry['crossings'])
        for event in events:
            assert names[labels[event.id]] in {
                thing['category'] for thing in entry['instances']
            }
            shown = [any(s['id'] == event.id for s in f) for f in frames]
            assert not any(shown[event.start : event.stop])
            if event.cause != 'crossing':
                assert shown[event.start - 1] and shown[event.stop]
    assert causes == {'crossing', 'occluded', 'outside'}
    with pytest.raises(ValueError, match='has no video val_0000'):
        list_events(path, 'val_0000', [])
    with pytest.raises(ValueError, match='_val.json does not exist. make_syn'):
        list_events(str(small / 'missing_val.json'), '', [])
