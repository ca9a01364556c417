# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import codecs
import json

from projects.maxtron.json_file import (
    COUNT,
    FLAG,
    ID,
    LIST,
    NUMBER,
    SIZE,
    TEXT,
    WHOLE,
    Entry,
    index_by_id,
    load_json,
    parse_json,
)

import pytest


@pytest.mark.parametrize(
    'kind, accepted, refused',
    [
        (ID, [0, -3, 2**70, 'a', 3.0], ['', None, True, 1.5, [1]]),
        (TEXT, ['a', 'ü'], ['', 1, None, ['a']]),
        (WHOLE, [-1, 0, 7.0], [True, 0.5, '1', None]),
        (COUNT, [0, 1], [-1, 0.5, '1']),
        (SIZE, [1, 480.0], [0, -1, '480', None, True, 10**30]),
        (NUMBER, [0, -1.5, 3], [float('nan'), float('inf'), '1', True]),
        (FLAG, [0, 1, True, False], [2, -1, None, '1', 0.5, 1.5, 1e30, [1]]),
        (LIST, [[], [1]], [{}, 'a', None]),
    ],
)
def test_kinds_of_fields(kind, accepted, refused):
    for value in accepted:
        assert Entry({'x': value}, 'a.json').require('x', kind) == value
        assert Entry({'x': value}, 'a.json').optional('x', kind) == value
    for value in refused:
        for read in ('require', 'optional'):
            with pytest.raises(ValueError) as info:
                getattr(Entry({'x': value}, 'a.json: image 4'), read)(
                    'x', kind
                )
            assert str(info.value).startswith(
                "a.json: image 4: the field 'x' is "
            )
            assert str(info.value).endswith(f'but must be {kind.name}.')


def test_whole_floats_become_whole_numbers():
    value = Entry({'x': 480.0}, 'a.json').require('x', SIZE)
    assert value == 480 and isinstance(value, int)


def test_missing_fields():
    entry = Entry({'id': 4}, 'a.json: image 4')
    with pytest.raises(ValueError) as info:
        entry.require('height', SIZE)
    assert str(info.value) == (
        "a.json: image 4: the field 'height' is missing. The fields are id."
    )
    assert entry.optional('height', SIZE) is None
    assert entry.optional('height', SIZE, 5) == 5
    assert 'id' in entry and 'height' not in entry


def test_entries_are_named_by_id_or_position():
    top = Entry({'videos': [{'id': 'v', 'frames': [{'n': 1}]}, {}]}, 'a.json')
    videos = top.entries('videos', 'video')
    assert [v.where for v in videos] == [
        'a.json: video v',
        'a.json: item 1 of videos',
    ]
    frame = videos[0].entries('frames', 'frame', 'n')[0]
    assert frame.where == 'a.json: video v, frame 1'
    with pytest.raises(ValueError, match='item 1 of videos: .*frames.*miss'):
        videos[1].entries('frames', 'frame')
    for items in ([3], [None], [[]]):
        with pytest.raises(ValueError, match='a.json: item 0 of x is .*must'):
            Entry({'x': items}, 'a.json').entries('x', 'video')
    with pytest.raises(ValueError, match="'x' is an object of 0.* a list"):
        Entry({'x': {}}, 'a.json').entries('x', 'video')


def test_ids_are_unique_by_their_text():
    entries = Entry({'x': [{'id': 1}, {'id': 'b'}]}, 'a.json').entries(
        'x', 'video'
    )
    index = index_by_id(entries, 'video')
    assert [index[key].values['id'] for key in ('1', 'b')] == [1, 'b']
    for same in (1, '1', 1.0):
        entries = Entry({'x': [{'id': 1}, {'id': same}]}, 'a.json').entries(
            'x', 'video'
        )
        with pytest.raises(ValueError, match='another video has the same id'):
            index_by_id(entries, 'video')


@pytest.mark.parametrize(
    'encode',
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode('utf-16'),
        lambda text: codecs.BOM_UTF16_BE + text.encode('utf-16-be'),
    ],
)
def test_encodings(tmp_path, encode):
    path = tmp_path / 'größe.json'
    path.write_bytes(encode(json.dumps({'name': 'Bär'}, ensure_ascii=False)))
    assert load_json(path).values == {'name': 'Bär'}


@pytest.mark.parametrize(
    'data, message',
    [
        (b'', 'is not a JSON file'),
        (b'{"videos": [', 'is not a JSON file .*completely'),
        (b'<html>404</html>', 'is not a JSON file'),
        (b'\x89PNG\r\n\x1a\n\xff\xfe', 'is not a JSON file'),
        (b'[' * 100000, 'is not a JSON file'),
        (b'[1, 2]', 'the top level is a list of 2, but must be an object'),
        (b'"text"', 'the top level is "text", but must be an object'),
        (b'null', 'the top level is null, but'),
    ],
)
def test_files_that_are_no_json_objects(tmp_path, data, message):
    path = tmp_path / 'bad.json'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f'{path}.*{message}') as info:
        load_json(path)
    assert '\n' not in str(info.value)


def test_missing_file_names_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match='no.json does not .* Try it.'):
        load_json(tmp_path / 'no.json', remedy='Try it.')
    (tmp_path / 'list.json').write_text('[1]')
    assert parse_json(tmp_path / 'list.json') == [1]
