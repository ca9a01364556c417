# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Id maps as PNG files: reading, writing, and ids that encode colours."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image

from ..errors import InputError
from ..utils import write_image

_PALETTE = 3  # colour type of PNG
_GREY_TYPES = (0, 4)  # without and with an alpha channel
# panopticapi: largest distance of a thing's colour from its class's colour
_MAX_DISTANCE = 30


def rgb_to_ids(img: np.ndarray) -> np.ndarray:
    """Compute the ids of an RGB map.

    Args:
        img (np.ndarray): Shape (h, w, 3), uint8, BGR as OpenCV reads it.

    Returns:
        np.ndarray: R + 256 G + 65536 B, shape (h, w), int32.
    """
    ids = cv2.cvtColor(img, cv2.COLOR_BGR2RGBA).view('<i4')[..., 0]
    return np.bitwise_and(ids, 0xFFFFFF, out=ids)  # without alpha


def read_id_map(
    path: str, where: str, raw: bool = False, backend_args: dict | None = None
) -> np.ndarray:
    """Read a PNG of ids.

    An RGB map has 8 bits per channel; an alpha channel is ignored, and a
    palette is applied. A raw map has one channel of up to 16 bits; a palette
    or an alpha channel is ignored.

    Args:
        path (str): The file.
        where (str): Name of the frame for messages.
        raw (bool): Whether the file is a raw map. Defaults to False.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.

    Returns:
        np.ndarray: Shape (h, w), int32.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If the file is not an image, or is a map of the other kind.
    """
    try:
        content = get(path, backend_args=backend_args)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{where}: the panoptic map {path} does not exist. Check '
            'data_root and data_prefix of the dataset.'
        ) from error
    buffer = np.frombuffer(content, np.uint8)
    img = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
    if img is None:
        raise InputError(
            f'{where}: the panoptic map {path} cannot be read as '
            'an image. Is the file complete?'
        )
    values = _single_channel(content, img) if raw else None
    if values is not None:
        return values.astype(np.int32)
    if not raw and img.ndim == 3 and img.dtype == np.uint8:
        return rgb_to_ids(np.ascontiguousarray(img[..., :3]))
    channels = 1 if img.ndim == 2 else img.shape[2]
    expected = (
        'one channel of class and instance (panomasks)'
        if raw
        else '8 bit RGB colours (panomasksRGB)'
    )
    raise InputError(
        f'{where}: the panoptic map {path} has {channels} channel(s) of '
        f'{img.dtype}, not {expected}. Check data_prefix of the dataset.'
    )


def _single_channel(content: bytes, img: np.ndarray) -> np.ndarray | None:
    """Read the stored values of a raw map.

    OpenCV replaces the indices of a palette by colours, repeats grey when
    there is an alpha channel, and stretches 1, 2 and 4 bits to 8.

    Args:
        content (bytes): The file.
        img (np.ndarray): The image as decoded by OpenCV.

    Returns:
        np.ndarray | None: Shape (h, w); None if there are several channels.
    """
    if content[:8] != b'\x89PNG\r\n\x1a\n':
        return img if img.ndim == 2 else None
    bits, color_type = content[24], content[25]
    if color_type == _PALETTE:
        with Image.open(io.BytesIO(content)) as image:
            return np.array(image)
    if color_type not in _GREY_TYPES:
        return None
    grey = img if img.ndim == 2 else img[..., 0]
    return grey // (255 // ((1 << bits) - 1)) if bits < 8 else grey


def write_id_map(path: str, id_map: np.ndarray) -> None:
    """Write ids as an RGB PNG; see :func:`read_id_map`.

    Args:
        path (str): File to write.
        id_map (np.ndarray): Ids, (H, W), below 2**24.

    Raises:
        WriteError: If the file cannot be written.
    """
    rgba = np.ascontiguousarray(id_map, '<u4').view(np.uint8)
    image = cv2.cvtColor(rgba.reshape(*id_map.shape, 4), cv2.COLOR_RGBA2BGR)
    write_image(path, image)


class SegmentColors:
    """Choice of a colour, and thus an id, for every segment of a video.

    The rules are those of panopticapi. Stuff has the colour of its class. The
    first thing of a class has the colour of the class if it is free; further
    things have a random colour nearby. The same calls give the same colours.

    Args:
        categories (Sequence[dict]): ``id``, ``name``, ``isthing`` and
            ``color`` (RGB) of every category.
        seed (int | Sequence[int]): Seed of the random colours.

    Raises:
        InputError: If two stuff categories have the same colour, or one is
            black, the colour of void.
    """

    def __init__(
        self, categories: Sequence[dict], seed: int | Sequence[int]
    ) -> None:
        self.categories = {c['id']: c for c in categories}
        self.taken: dict[tuple[int, ...], str] = {(0, 0, 0): 'void'}
        for category in categories:
            color = tuple(category['color'])
            if category['isthing']:
                continue
            if color in self.taken:
                raise InputError(
                    f'The colour {color} of "{category["name"]}" is that of '
                    f'{self.taken[color]}: their ids would be equal. Give '
                    'every stuff category a colour of its own.'
                )
            self.taken[color] = f'"{category["name"]}"'
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def next_id(self, category_id: int | str) -> int:
        """Choose the id of a segment.

        Args:
            category_id (int | str): Id of the segment's category.

        Returns:
            int: R + 256 G + 65536 B. It is the same in each call for stuff.
        """
        category = self.categories[category_id]
        color = tuple(category['color'])
        if category['isthing']:
            while color in self.taken:
                near = category['color'] + self.rng.integers(
                    -_MAX_DISTANCE, _MAX_DISTANCE + 1, size=3
                )
                color = tuple(np.clip(near, 0, 255).tolist())
            self.taken[color] = f'"{category["name"]}"'
        return color[0] + 256 * color[1] + 65536 * color[2]
