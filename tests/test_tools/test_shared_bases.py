# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading of many configs: their bases are read once."""

from mmengine.config import Config

from tools.misc.shared_bases import share_bases


def write(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_configs_share_the_reading_but_no_value(tmp_path, monkeypatch):
    monkeypatch.setattr(Config, '_file2dict', Config._file2dict)  # restored
    folder = tmp_path / 'configs'
    write(folder, 'base.py', 'model = dict(type="A", sizes=[1, 2])')
    other = write(tmp_path / 'configs2', 'other.py', 'model = 1')
    leaves = [
        write(
            folder,
            f'{name}.py',
            '_base_ = "./base.py"\n'
            f'model = dict({name}=_base_.model.sizes)\nleaf = "{name}"',
        )
        for name in 'xyz'
    ]
    expected = [Config.fromfile(path) for path in leaves]
    share_bases(folder)
    first = Config.fromfile(leaves[0])
    assert first._cfg_dict == expected[0]._cfg_dict
    assert first.text == expected[0].text
    first.model.sizes.append(3)
    first.model.x.append(4)
    write(folder, 'base.py', 'model = 1 / 0')  # is not read again
    assert [Config.fromfile(path)._cfg_dict for path in leaves] == [
        cfg._cfg_dict for cfg in expected
    ]
    write(other.parent, 'other.py', 'model = 2')
    assert Config.fromfile(other).model == 2
