# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Unpacking of archives and folders to paths chosen by a rule."""

import gzip
import lzma
import os
import posixpath
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from projects.maxtron.utils import atomic_path, is_foreign_file, natural_key

from mmengine.utils import ProgressBar

SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
# Hidden files, files that macOS adds to archives, and output of converters.
_IGNORED = re.compile(r'(^|/)(__MACOSX|VIPSeg_720P|\.[^/]*)(/|$)')
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,
    NotImplementedError,
)


class Member(NamedTuple):
    """A file of an archive.

    Attributes:
        name (str): Path in the archive, with slashes.
        size (int): Size in bytes.
        open (callable): Function that opens the file for reading.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]


def archive_stem(name: str) -> str | None:
    """Return the name of an archive without suffix; None for other files."""
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None


def list_members(file: BinaryIO, where: str) -> Iterator[Member]:
    """List the files of an archive in their stored order.

    Args:
        file (BinaryIO): The archive, seekable.
        where (str): Name of the archive, for messages.

    Yields:
        Member: A file.

    Raises:
        ValueError: If the file is no archive or is incomplete, or if a path in
            it leads out of the folder.
    """
    start = file.read(4)
    file.seek(0)
    if start[:2] == b'PK':
        infos = zipfile.ZipFile(file)
        # Check all names before anything is written.
        members = [
            Member(
                info.filename,
                info.file_size,
                lambda info=info: infos.open(info),
            )
            for info in sorted(
                infos.infolist(), key=lambda info: info.header_offset
            )
            if not info.is_dir()
        ]
        for member in members:
            _check_name(member.name, where)
        yield from members
        return
    try:
        tar = tarfile.open(fileobj=file, mode='r:*')
    except tarfile.ReadError as error:
        raise ValueError(
            f'{where} is no zip or tar archive: it begins with {start!r}. Was '
            'a web page saved in place of the file?'
        ) from error
    for info in tar:
        _check_name(info.name, where)
        if info.isfile():
            yield Member(
                info.name, info.size, lambda info=info: tar.extractfile(info)
            )
    # tarfile does not notice that an archive ends too early
    tar.fileobj.seek(tar.offset)
    if len(tar.fileobj.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError('it has no end')


def _check_name(name: str, where: str) -> None:
    """Check that a path stays below the folder that it is unpacked to."""
    if re.match(r'/|[A-Za-z]:', name) or '..' in re.split(r'[/\\]', name):
        raise ValueError(
            f'{where} has the file {name!r}, whose path leads '
            'out of the folder. Do not trust this archive.'
        )


@contextmanager
def _explain_damage(where: str) -> Iterator[None]:
    """Explain how to replace an archive that cannot be read to its end."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f'{where} is damaged or incomplete ({error}). Download it again '
            'and run the same command: what has been unpacked is kept.'
        ) from error


class Unpacker:
    """Unpacker of archives and folders to paths chosen by a rule.

    Every file is written to a temporary name and then renamed. Existing files
    of the right size are kept, so an interrupted run continues where it
    stopped, and a second run writes nothing.

    Args:
        place (callable): Maps a path in a source, such as
            ``'train/JPEGImages/a/0.jpg'`` in ``train.zip`` (the name of the
            source comes first), to the path to write; None if the file is not
            needed.
        overwrite (bool): Whether to replace files that exist with another
            size. Defaults to False.

    Attributes:
        num_written (int): Number of files written.
        num_present (int): Number of files that existed before.
        num_ignored (int): Number of files that were not needed.
    """

    def __init__(
        self, place: Callable[[str], Path | None], overwrite: bool = False
    ) -> None:
        self.place = place
        self.overwrite = overwrite
        self.num_written = self.num_present = self.num_ignored = 0

    def add(self, source: Path) -> int:
        """Unpack a source.

        Args:
            source (Path): An archive, which may contain archives; a folder; or
                a single file. Files of folders are linked (or copied if links
                are impossible), and archives in them are unpacked.

        Returns:
            int: Number of files of the source that exist at their path now.

        Raises:
            FileNotFoundError: If the source does not exist.
            ValueError: If the source cannot be read, or a file exists with
                another size.
        """
        before = self.num_written + self.num_present
        if source.is_dir():
            self._add_folder(source)
        elif source.suffix in ('.json', '.txt'):
            self._add_file(source, '/'.join(source.resolve().parts[-2:]))
        else:
            with open(source, 'rb') as file:
                self._add_archive(
                    file, str(source), archive_stem(source.name) or source.name
                )
        return self.num_written + self.num_present - before

    def _add_folder(self, source: Path) -> None:
        print(source)
        bar, archives = ProgressBar(), []
        name = source.resolve().name
        for folder, folders, files in os.walk(source, followlinks=True):
            below = name / Path(folder).relative_to(source)
            folders[:] = sorted(
                (f for f in folders if not _IGNORED.search(f)), key=natural_key
            )
            for file in sorted(files, key=natural_key):
                if archive_stem(file) is not None:
                    archives.append(Path(folder) / file)
                else:
                    self._add_file(
                        Path(folder) / file, (below / file).as_posix()
                    )
                    bar.update()
        print()
        for archive in archives:
            self.add(archive)

    def _add_file(self, source: Path, path: str) -> None:
        self._put(
            path,
            source.stat().st_size,
            str(source),
            lambda part: _link(source, part),
        )

    def _add_archive(self, file: BinaryIO, where: str, stem: str) -> None:
        print(where)
        bar, archives = ProgressBar(), []
        with _explain_damage(where):
            for member in list_members(file, where):
                inner = archive_stem(member.name)
                if inner is not None and not _IGNORED.search(member.name):
                    archives.append((member, f'{stem}/{inner}'))
                    continue
                self._put(
                    f'{stem}/{member.name}',
                    member.size,
                    where,
                    lambda part: _copy(member, part),
                )
                bar.update()
            print()
            for member, inner in archives:
                with member.open() as nested:
                    self._add_archive(nested, f'{where}: {member.name}', inner)

    def _put(
        self, path: str, size: int, where: str, write: Callable[[str], None]
    ) -> None:
        """Write a file, unless it exists or is not needed."""
        is_ignored = _IGNORED.search(path) or is_foreign_file(
            posixpath.basename(path)
        )
        target = None if is_ignored else self.place(path)
        if target is None:
            self.num_ignored += 1
            return
        if target.exists() and target.stat().st_size == size:
            self.num_present += 1
            return
        if target.exists() and not self.overwrite:
            raise ValueError(
                f'{target} is there already, but has {target.stat().st_size} '
                f'bytes; that of {where} has {size}. Are they of two '
                'versions? Name another --data-root, or replace it by '
                '--overwrite.'
            )
        with atomic_path(target) as part:
            write(part)
        self.num_written += 1


def _copy(member: Member, part: str) -> None:
    with member.open() as source, open(part, 'wb') as target:
        shutil.copyfileobj(source, target, 1 << 20)
        # A truncated tar file ends with a short member, without an error.
        if target.tell() != member.size:
            raise EOFError(f'{member.name} ends too early')


def _link(source: Path, part: str) -> None:
    # Remove the link, or a copy would be written into its target.
    Path(part).unlink(missing_ok=True)
    try:
        os.link(source.resolve(), part)
    except OSError:  # another disk, or no support for hard links
        shutil.copyfile(source, part)
