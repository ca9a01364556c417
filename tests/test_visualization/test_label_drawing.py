# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.visualization import label_drawing

import numpy as np
import pytest

BLUE = np.array((0, 0, 200), np.uint8)


def draw(text, size=(40, 300), color=BLUE):
    image = np.full((*size, 3), 7, np.uint8)
    label_drawing.draw_label(image, text, (3, 5), color)
    return image


@pytest.fixture
def one_font(monkeypatch):
    """Only Matplotlib's font is installed, which has no Chinese."""
    fonts = label_drawing._font_files()[:1]
    label_drawing._find_font.cache_clear()
    monkeypatch.setattr(label_drawing, '_font_files', lambda: fonts)
    yield
    label_drawing._find_font.cache_clear()


def test_letters_of_any_alphabet_differ():
    names = (
        'бык',
        'дом',
        'mélèze',
        'melèze',
        'βοῦς',
        '人',
        '犬',
        '???',
        'cat',
    )
    drawn = {draw(name).tobytes() for name in names}
    assert len(drawn) == len(names)
    for name in names:
        image = draw(name)
        assert (image[5, 3] == BLUE).all()  # at the anchor
        assert (image[:5] == 7).all() and (image[:, :3] == 7).all()
        assert (image[..., 1] > 100).sum() > 10  # letters


def test_characters_without_glyph_are_codes(one_font):
    np.testing.assert_array_equal(draw('é 人'), draw('é U+4EBA'))
    np.testing.assert_array_equal(draw('é\u200d\ufe0f'), draw('é'))
    np.testing.assert_array_equal(draw('e\u0301'), draw('é'))
    np.testing.assert_array_equal(draw('é\n'), draw('é '))


def test_label_is_cut_at_the_border():
    for text in ('a very long name', 'очень длинное имя'):
        image = draw(text, (12, 20))
        assert (image[-1, -1] != 7).any() and image.shape == (12, 20, 3)


@pytest.mark.parametrize('gray, is_bright', [(110, False), (111, True)])
def test_letters_are_dark_on_bright_colors(gray, is_bright):
    image = draw('cat', color=np.full(3, gray, np.uint8))
    letters = image[(image != 7) & (image != gray)]
    assert len(letters) > 100
    assert (letters < gray).all() if is_bright else (letters > gray).all()
