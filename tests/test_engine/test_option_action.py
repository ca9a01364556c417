# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A value of --cfg-options arrives as it was given."""

from argparse import ArgumentParser

from projects.maxtron.engine import OptionAction, load_config

import pytest


def parse(*arguments):
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    return parser.parse_args(['--cfg-options', *arguments]).cfg_options


@pytest.mark.parametrize(
    'path',
    [
        '/data/my results/sub',
        '/a b,c/d',
        'C:\\my data,old\\run (2)',
        '\\\\server\\my share',
        'work_dirs/a,b/c',
        '~/two  spaces',
        '/run (1, 2)/[x]',
        '/data/a[1',
        '/don\'t/"x"',
        's3://bucket/a b,c',
        '2024_05',
        '',
        ' x ',
    ],
)
def test_texts_are_kept(path):
    assert parse(f'key={path}') == {'key': path}


@pytest.mark.parametrize(
    'text, value',
    [
        ('1', 1),
        ('1e-3', 0.001),
        ('true', True),
        ('None', None),
        ('a,b', ['a', 'b']),
        ('1, 2', [1, 2]),
        ('640,', [640]),
        ('[a, b]', ['a', 'b']),
        ('[]', []),
        ('()', ()),
        ('(1,)', (1,)),
        ('[(1, 2), [a, b],c]', [(1, 2), ['a', 'b'], 'c']),
        ('[/my data/a, /b]', ['/my data/a', '/b']),
        ('/my data/a, C:\\b', ['/my data/a', 'C:\\b']),
        ('(1,2),(3,4)', [(1, 2), (3, 4)]),
        ('[\'a, b\', "c,d"]', ['a, b', 'c,d']),
        ('"/a,/b"', '/a,/b'),
        ("'[1, 2]'", [1, 2]),
        ("don't,x", ["don't", 'x']),
        ('a=b', 'a=b'),
    ],
)
def test_values(text, value):
    parsed = parse(f'key={text}')['key']
    assert parsed == value
    assert isinstance(parsed, type(value))


def test_options_given_twice_are_merged():
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    arguments = ['--cfg-options', 'a=1', 'b=2', '--cfg-options', ' b =3']
    assert parser.parse_args(arguments).cfg_options == dict(a=1, b=3)


@pytest.mark.parametrize('wrong', ['results/sub', '=3', ' =3'])
def test_arguments_without_a_key_are_named(capsys, wrong):
    with pytest.raises(SystemExit) as error:
        parse('out=/data/my', wrong)
    assert error.value.code == 2
    message = capsys.readouterr().err
    assert f'--cfg-options: "{wrong}" is not KEY=VALUE' in message


@pytest.mark.parametrize(
    'option, value',
    [
        ('name=a,b', 'a,b'),  # a text in the config
        ('sizes=a,b', ['a', 'b']),
        ('other=a,b', ['a', 'b']),
        ('+new=a,b', ['a', 'b']),
        ('files=x/a.json, x/b.json', ['x/a.json', 'x/b.json']),
        ('name=x/a,x/b', 'x/a,x/b'),
        ('steps.0.name=a,b', 'a,b'),
    ],
)
def test_config_decides_on_commas(tmp_path, option, value):
    path = tmp_path / 'config.py'
    path.write_text(
        "name = 'x'\nsizes = [1]\nother = None\nfiles = ('x', )\n"
        "steps = [dict(name='x')]\n"
    )
    cfg = load_config(str(path), parse(option))
    key = option.partition('=')[0].lstrip('+')
    found = cfg.steps[0].name if '.' in key else cfg[key]
    assert found == value
    assert type(found) is type(value)
