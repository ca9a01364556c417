# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Long and short videos of YouTube-VIS 2022."""

from collections.abc import Sequence

from ...datasets.track_file import name_videos, read_file_names
from ...errors import InputError
from ...json_file import ID, TEXT, Entry, index_by_id, parse_json

VideoList = str | Sequence[int | str]


class VideoGroup:
    """Videos that a user specifies by ids, by names or by a file.

    A text is compared with the names first, then with the ids.

    Args:
        listed (str | Sequence[int | str]): Ids or names, or a JSON file: a
            list of them, or an annotation file with exactly these videos.
            Names of an annotation file are preferred to ids, because two files
            may number the same videos differently.
        option (str): Name of the user's option, for messages.

    Raises:
        FileNotFoundError: If the file does not exist.
        InputError: If the file or the list has other content.
    """

    def __init__(self, listed: VideoList, option: str) -> None:
        self.option = option
        self.listed = set(
            _read_file(listed) if isinstance(listed, str) else listed
        )
        for item in self.listed:
            if not ID.accepts(item):
                raise InputError(
                    f'{option} has the item {item!r}, but items must be ids '
                    'or names of videos.'
                )

    def split(self, videos: list[dict]) -> tuple[list[dict], list[dict]]:
        """Split videos into those that are listed and the others.

        Args:
            videos (list[dict]): Videos with ``id`` and ``name``.

        Returns:
            tuple[list[dict], list[dict]]: The listed videos and the others.

        Raises:
            InputError: If one of the two groups is empty.
        """
        names = {video['name'] for video in videos}
        groups: tuple[list[dict], list[dict]] = ([], [])
        for video in videos:
            text = str(video['id'])
            is_listed = (
                video['name'] in self.listed
                or video['id'] in self.listed
                or (text in self.listed and text not in names)
            )
            groups[0 if is_listed else 1].append(video)
        if not all(groups):
            raise InputError(
                f'{self.option} matches {len(groups[0])} of the '
                f'{len(videos)} evaluated videos, so that one of the two '
                'groups is empty. The list must hold ids or names of videos '
                f'such as {videos[0]["id"]} or {videos[0]["name"]!r}.'
            )
        return groups


def _read_file(path: str) -> Sequence[int | str]:
    """Read ids or names from a JSON file."""
    content = parse_json(path, remedy='It must list long or short videos.')
    if isinstance(content, list):
        for position, item in enumerate(content):
            if not ID.accepts(item):
                raise InputError(
                    f'{path}: item {position} is neither an id nor a name '
                    'of a video. Remove it from the list.'
                )
        return content
    if not isinstance(content, dict):
        raise InputError(
            f'{path} is neither a list of videos nor an annotation file.'
        )
    entries = Entry(content, path).entries('videos', 'video')
    index_by_id(entries, 'video')
    if all('file_names' in entry for entry in entries):
        frames = [read_file_names(entry)[0] for entry in entries]
        return name_videos(
            [entry.require('id', ID) for entry in entries], frames
        )
    return [
        entry.optional('name', TEXT) or entry.require('id', ID)
        for entry in entries
    ]
