# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""PNG files of ids in all the forms that programs write."""

import resource
import struct
import zlib

from projects.maxtron.structures import read_id_map, write_id_map
from projects.maxtron.utils import WriteError, write_image

import cv2
import numpy as np
import pytest
from PIL import Image

RAW = np.uint8([[0, 1, 1, 2], [3, 3, 0, 2]])
RGB = np.uint8([[(0, 0, 0), (90, 160, 255)], [(220, 40, 40), (1, 2, 3)]])


def write_palette(path):
    image = Image.fromarray(RAW, mode='P')
    image.putpalette([200, 30, 90] * 256)  # colours mean nothing
    image.save(path)


def write_two_bits(path):
    """Pillow and OpenCV do not write such grey PNGs."""

    def chunk(kind, data):
        checksum = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + checksum

    rows = (RAW << np.uint8([6, 4, 2, 0])).sum(1).astype(np.uint8)
    head = struct.pack('>IIBBBBB', 4, 2, 2, 0, 0, 0, 0)
    data = zlib.compress(b''.join(b'\0' + row.tobytes() for row in rows))
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', head)
        + chunk(b'IDAT', data)
        + chunk(b'IEND', b'')
    )


@pytest.mark.parametrize(
    'write',
    [
        lambda path: cv2.imwrite(str(path), RAW),
        lambda path: cv2.imwrite(str(path), RAW.astype(np.uint16)),
        write_palette,
        write_two_bits,
        lambda path: Image.fromarray(
            np.stack([RAW, RAW * 0 + 255], -1), mode='LA'
        ).save(path),
    ],
)
def test_raw_maps(tmp_path, write):
    path = tmp_path / 'x.png'
    write(path)
    ids = read_id_map(str(path), 'frame', raw=True)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, RAW)


@pytest.mark.parametrize(
    'image',
    [
        Image.fromarray(RGB),
        Image.fromarray(np.dstack([RGB, RGB[..., :1] * 0])),  # transparent
        Image.fromarray(RGB).quantize(16),
    ],
)
def test_rgb_maps(tmp_path, image):
    image.save(tmp_path / 'x.png')
    ids = read_id_map(str(tmp_path / 'x.png'), 'frame')
    np.testing.assert_array_equal(ids, RGB.astype(int) @ [1, 256, 65536])


@pytest.mark.parametrize(
    'image, raw, message',
    [
        (RGB, True, r'3 channel\(s\) of uint8, not one channel'),
        (RAW, False, r'1 channel\(s\) of uint8, not 8 bit RGB'),
        (RGB.astype(np.uint16), False, r'3 channel\(s\) of uint16, not 8'),
        (np.dstack([RGB, RGB[..., 0]]), True, r'4 channel\(s\) of uint8'),
    ],
)
def test_maps_of_the_other_kind(tmp_path, image, raw, message):
    path = str(tmp_path / 'x.png')
    cv2.imwrite(path, image)
    with pytest.raises(ValueError, match=f'frame 3: .*x.png has {message}'):
        read_id_map(path, 'frame 3', raw)


def test_small_image_on_a_full_disk(tmp_path):
    """OpenCV would report success and leave an empty file."""
    path = tmp_path / 'ids.png'
    path.write_text('of an earlier run')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(WriteError, match='ids.png cannot be written'):
            write_id_map(str(path), np.ones((4, 5), np.uint32))
        with pytest.raises(WriteError, match='new.jpg cannot be written'):
            write_image(tmp_path / 'new.jpg', np.ones((4, 5, 3), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == 'of an earlier run'
    assert [file.name for file in tmp_path.iterdir()] == ['ids.png']
