# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writer of the synthetic benchmark.

    OUT_DIR/
      synthetic.json                    what the set is made of
      scenarios_{split}.json            what happens in every video
      youtube-vis/
        {split}/JPEGImages/{video}/00000.jpg
        {split}/instances.json          YouTube-VIS's own format
        annotations/synthetic_vis_{split}.json     one entry per frame, which
                                        MMDetection's video datasets read
      vipseg/
        imgs/{video}/00000.jpg          VIPSeg as it is released
        panomasks/{video}/00000.png
        {split}.txt
        VIPSeg_720P/                    VIPSeg as it is trained on (here in
          images/, panomasks/           the original size)
          panomasksRGB/{video}/00000.png
          panoptic_gt_VIPSeg_{split}.json
          panoVIPSeg_categories.json

Every file is written to a temporary name and then renamed. Annotation files
come last, so a reader never finds an incomplete split. Frames that belong to
more than one format are hard links to one file.
"""

import glob
import json
import os
import os.path as osp
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import cv2

from ...errors import InputError
from ...utils import dump_json, write_text
from .classes import vipseg_categories
from .formats import (
    encode_instances,
    encode_segments,
    per_image_annotations,
    scenario_table,
    video_annotations,
    vipseg_annotations,
    write_frames,
    write_masks,
)
from .video import PRESETS, SyntheticSpec, make_video

FORMATS = ('youtube-vis', 'vipseg')
# Version of the content. A set of another version cannot be continued.
VERSION = 1
MANIFEST = 'synthetic.json'
_PROGRESS = '.progress'
# Everything that belongs to one split.
_SPLIT_FILES = (
    f'{_PROGRESS}/{{0}}',
    'youtube-vis/{0}',
    'youtube-vis/annotations/synthetic_vis_{0}.json',
    'vipseg/{0}.txt',
    'vipseg/*/{0}_*',
    'vipseg/VIPSeg_720P/*/{0}_*',
    'vipseg/VIPSeg_720P/panoptic_gt_VIPSeg_{0}.json',
    'scenarios_{0}.json',
)


def _load_json(path: str) -> Any:
    with open(path) as file:
        return json.load(file)


def _replace_folder(folder: str, fill: Callable[[str], None]) -> None:
    """Let ``fill(path)`` write a folder beside ``folder``, then rename it."""
    beside = f'{folder}.tmp'
    for path in (beside, folder):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(beside)
    fill(beside)
    os.replace(beside, folder)


def _link_folder(source: str, folder: str) -> None:
    def fill(beside: str) -> None:
        for name in os.listdir(source):
            try:
                os.link(osp.join(source, name), osp.join(beside, name))
            except OSError:  # a file system without hard links
                shutil.copyfile(osp.join(source, name), osp.join(beside, name))

    _replace_folder(folder, fill)


def _frame_folders(
    out_dir: str, split: str, name: str, formats: Sequence[str]
) -> list[str]:
    vipseg = osp.join(out_dir, 'vipseg')
    folders = {
        'youtube-vis': [
            osp.join(out_dir, 'youtube-vis', split, 'JPEGImages', name)
        ],
        'vipseg': [
            osp.join(vipseg, 'imgs', name),
            osp.join(vipseg, 'VIPSeg_720P', 'images', name),
        ],
    }
    return [folder for key in formats for folder in folders[key]]


def write_video(job: tuple) -> dict:
    """Make one video and write its frames and masks.

    Args:
        job (tuple): OUT_DIR, SyntheticSpec, split, number of the video,
            formats, JPEG quality (one tuple, so that a pool can map it).

    Returns:
        dict: The record of the video, the input of the annotation files. It is
        also written to ``OUT_DIR/.progress``.
    """
    out_dir, spec, split, index, formats, quality = job
    record_path = osp.join(out_dir, _PROGRESS, split, f'{index:05d}.json')
    if osp.exists(record_path):
        return _load_json(record_path)
    # Frames are small, and the processes share the cores.
    cv2.setNumThreads(0)
    video = make_video(spec, split, index)
    folders = _frame_folders(out_dir, split, video.name, formats)
    _replace_folder(
        folders[0], lambda path: write_frames(video.frames, path, quality)
    )
    for folder in folders[1:]:
        _link_folder(folders[0], folder)
    record = dict(
        name=video.name,
        scenario=video.scenario,
        length=len(video.frames),
        height=spec.height,
        width=spec.width,
        instances=encode_instances(video),
        crossings=video.crossings,
    )
    if 'vipseg' in formats:
        record['frames'], colors = encode_segments(video)
        root = osp.join(out_dir, 'vipseg')
        raw = osp.join(root, 'panomasks', video.name)
        _replace_folder(raw, lambda path: write_masks(video.ids, path))
        _link_folder(
            raw, osp.join(root, 'VIPSeg_720P', 'panomasks', video.name)
        )
        _replace_folder(
            osp.join(root, 'VIPSeg_720P', 'panomasksRGB', video.name),
            lambda path: write_masks(video.ids, path, colors),
        )
    dump_json(record, record_path)
    return record


class SyntheticWriter:
    """Writer of the splits of a synthetic set.

    Args:
        out_dir (str): Folder of the set: new, empty, or begun before with the
            same settings.
        spec (SyntheticSpec): Settings of the videos.
        formats (Sequence[str]): Some of ``FORMATS``.
        quality (int): JPEG quality, 1 to 100.
        overwrite (bool): Whether to make existing splits again, and to replace
            a set that was made with other settings. Other files of the folder
            are never changed.

    Raises:
        InputError: If a format or the quality is unknown, or the folder
            holds a set that was made with other settings.
        FileExistsError: If the folder holds other files.
    """

    def __init__(
        self,
        out_dir: str,
        spec: SyntheticSpec = PRESETS['small'],
        formats: Sequence[str] = FORMATS,
        quality: int = 92,
        overwrite: bool = False,
    ) -> None:
        unknown = set(formats) - set(FORMATS)
        if unknown or not formats:
            raise InputError(
                f'Unknown formats {sorted(unknown)}; choose from '
                f'{", ".join(FORMATS)}.'
            )
        if not 1 <= quality <= 100:
            raise InputError(f'The JPEG quality must be 1 to 100: {quality}.')
        self.out_dir = osp.abspath(out_dir)
        self.spec = spec
        self.formats = [name for name in FORMATS if name in formats]
        self.quality = quality
        self.overwrite = overwrite
        self.manifest = self._claim_folder()

    def _settings(self) -> dict:
        """Return the settings that must be equal to continue a set."""
        return dict(
            version=VERSION,
            seed=self.spec.seed,
            height=self.spec.height,
            width=self.spec.width,
            quality=self.quality,
            association=self.spec.association,
        )

    def _claim_folder(self) -> dict:
        path = osp.join(self.out_dir, MANIFEST)
        fresh = dict(settings=self._settings(), splits={})
        if osp.exists(self.out_dir) and not osp.isdir(self.out_dir):
            raise FileExistsError(
                f'{self.out_dir} is a file; name a folder to write to.'
            )
        if not osp.exists(path):
            if osp.exists(self.out_dir) and os.listdir(self.out_dir):
                raise FileExistsError(
                    f'{self.out_dir} is not empty and was not made by this '
                    'tool; name a new or empty folder. Nothing was changed.'
                )
            dump_json(fresh, path)
            return fresh
        found = self._read_manifest(path)
        # Older sets do not have this setting.
        found['settings'].setdefault('association', False)
        if self.overwrite and found['settings'] != fresh['settings']:
            for split in found['splits']:
                self._remove(split)
            dump_json(fresh, path)
            return fresh
        self._check_same('settings', found['settings'], fresh['settings'])
        return found

    def _read_manifest(self, path: str) -> dict:
        try:
            found = _load_json(path)
            if {'settings', 'splits'} <= found.keys():
                return found
        except (ValueError, AttributeError):
            pass  # not JSON, or not a dict
        raise FileExistsError(
            f'{path} was not written by this tool, or is damaged; name '
            'another folder, or delete this one. Nothing was changed.'
        )

    def _check_same(self, what: str, found: dict, wanted: dict) -> None:
        other = [
            f'{key} {found.get(key)} instead of {wanted[key]}'
            for key in wanted
            if found.get(key) != wanted[key]
        ]
        if other:
            raise InputError(
                f'{self.out_dir} holds a synthetic set with other {what} '
                f'({", ".join(other)}). Name another folder, or begin again '
                'with --overwrite.'
            )

    def _remove(self, split: str) -> None:
        for pattern in _SPLIT_FILES:
            root = glob.escape(self.out_dir)
            for path in glob.glob(osp.join(root, pattern.format(split))):
                os.remove(path) if osp.isfile(path) else shutil.rmtree(path)

    def begin(self, split: str) -> list[str]:
        """Begin or continue a split.

        Args:
            split (str): 'train', 'val' or 'dev'.

        Returns:
            list[str]: Formats that are still to be written; none if the
            split is complete.

        Raises:
            InputError: If the existing split has other videos.
        """
        wanted = dict(
            num_videos=self.spec.num_videos[split],
            num_frames=list(self.spec.num_frames[split]),
        )
        splits = self.manifest['splits']
        if self.overwrite or split not in splits:
            self._remove(split)
            splits[split] = dict(wanted, formats=[])
            dump_json(self.manifest, osp.join(self.out_dir, MANIFEST))
        found = splits[split]
        self._check_same(f'videos in the split "{split}"', found, wanted)
        return [name for name in self.formats if name not in found['formats']]

    def jobs(self, split: str, formats: Sequence[str]) -> list[tuple]:
        """List the jobs for ``write_video``, in order.

        Args:
            split (str): 'train', 'val' or 'dev'.
            formats (list[str]): From ``begin``.

        Returns:
            list[tuple]: One job per video.
        """
        # Records of a run with other formats are incomplete for this one.
        folder = osp.join(self.out_dir, _PROGRESS, split)
        begun = osp.join(folder, 'formats.json')
        if osp.exists(begun) and _load_json(begun) != formats:
            shutil.rmtree(folder)
        dump_json(formats, begun)
        return [
            (self.out_dir, self.spec, split, index, formats, self.quality)
            for index in range(self.spec.num_videos[split])
        ]

    def finish(
        self, split: str, formats: Sequence[str], records: list[dict]
    ) -> None:
        """Write the annotation files of a split.

        Args:
            split (str): 'train', 'val' or 'dev'.
            formats (list[str]): As given to ``jobs``.
            records (list[dict]): Results of ``write_video``, in order.
        """

        def dump(content: Any, *path: str) -> None:
            dump_json(content, osp.join(self.out_dir, *path))

        if 'youtube-vis' in formats:
            root = 'youtube-vis'
            dump(video_annotations(records), root, split, 'instances.json')
            dump(
                per_image_annotations(records, split),
                root,
                'annotations',
                f'synthetic_vis_{split}.json',
            )
        if 'vipseg' in formats:
            root = osp.join('vipseg', 'VIPSeg_720P')
            names = ''.join(f'{record["name"]}\n' for record in records)
            write_text(names, osp.join(self.out_dir, 'vipseg', f'{split}.txt'))
            dump(vipseg_categories(), root, 'panoVIPSeg_categories.json')
            dump(
                vipseg_annotations(records),
                root,
                f'panoptic_gt_VIPSeg_{split}.json',
            )
        dump(scenario_table(records), f'scenarios_{split}.json')
        self.manifest['splits'][split]['formats'] += formats
        dump(self.manifest, MANIFEST)
        shutil.rmtree(osp.join(self.out_dir, _PROGRESS, split))
        if not os.listdir(osp.join(self.out_dir, _PROGRESS)):
            os.rmdir(osp.join(self.out_dir, _PROGRESS))
