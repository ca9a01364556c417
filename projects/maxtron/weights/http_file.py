# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Download of a file by HTTP that continues after interruptions."""

import html
import http.client
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from ..errors import CheckpointError
from ..utils import WriteError, writing
from ..version import __version__

_BLOCK = 1 << 18
# The server is busy or is being restarted.
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
_BY_HAND = (
    'Or get the file in another way and give its path instead of the name or '
    'URL.'
)
# Receives the number of bytes on disk and in total (None if unknown).
ProgressFunc = Callable[[int, int | None], None]


class _Interrupted(Exception):
    """A transfer failed for a reason that may pass."""


class _Unreachable(_Interrupted):
    """There is no connection to the server."""


class HTTPFile(NamedTuple):
    """A file on an HTTP server.

    Proxies are those of the environment variables ``http_proxy``,
    ``https_proxy`` and ``no_proxy``.

    Attributes:
        url (str): Address; redirects are followed.
        timeout (float): Longest time without data, in seconds.
        retries (int): Number of attempts in a row without any data before the
            download ends with an error.
        pause (float): Seconds before the second attempt; doubled each time.
    """

    url: str
    timeout: float = 30.0
    retries: int = 4
    pause: float = 1.0

    def download(self, part: Path, progress: ProgressFunc) -> None:
        """Download the file; continue where an earlier download ended.

        Args:
            part (Path): File for the data. Its content is the beginning of the
                file, from an earlier call. It is kept after an error.
            progress (callable): See :data:`ProgressFunc`.

        Raises:
            CheckpointError: If the file cannot be downloaded.
            WriteError: If the data cannot be written.
        """
        start, failures = _size(part), 0
        while True:
            before = _size(part)
            try:
                self._transfer(part, progress)
                break
            except _Interrupted as error:
                failures = 0 if _size(part) > before else failures + 1
                # Without internet, waiting would not help.
                offline = isinstance(error, _Unreachable)
                offline = offline and _size(part) == start
                if offline or failures >= self.retries:
                    raise CheckpointError(
                        self._explain(str(error), part)
                    ) from error
            time.sleep(self.pause * 2 ** max(failures - 1, 0))
        _validator_path(part).unlink(missing_ok=True)

    def _transfer(self, part: Path, progress: ProgressFunc) -> None:
        """Request the rest of the file once."""
        offset = _size(part)
        response = self._open(part, offset)
        if response is None:
            return
        with response:
            total = _length(response)
            if response.status == 206:
                _check_range(response, part, offset)
                total = None if total is None else offset + total
            else:
                offset = 0
            blocks = _read_blocks(response)
            first = next(blocks, b'')
            self._refuse_page(response, first if not offset else b'')
            _check_space(part, (total or 0) - offset)
            _keep_validator(response, part)
            with writing(part), part.open('ab' if offset else 'wb') as file:
                while first:
                    file.write(first)
                    offset += len(first)
                    progress(offset, total)
                    first = next(blocks, b'')
        if total is not None and offset < total:
            raise _Interrupted(
                f'the connection ended at {offset} of {total} bytes'
            )

    def _open(
        self, part: Path, offset: int
    ) -> http.client.HTTPResponse | None:
        """Open the connection; None if the part is the whole file."""
        headers = {'User-Agent': f'maxtron/{__version__}'}
        if offset:
            headers['Range'] = f'bytes={offset}-'
            with suppress(OSError):
                headers['If-Range'] = _validator_path(part).read_text()
        request = Request(self.url, headers=headers)
        try:
            # urlopen() keeps the proxies of its first call.
            return build_opener().open(request, timeout=self.timeout)
        except HTTPError as error:
            if error.code == 416 and offset:
                if error.headers.get('Content-Range') == f'bytes */{offset}':
                    return None
                part.unlink()
                raise _Interrupted('the file has changed') from error
            reason = f'HTTP status {error.code}, {error.reason}'
            if error.code in _TEMPORARY:
                raise _Interrupted(reason) from error
            raise CheckpointError(
                f'{self.url} cannot be downloaded: {_meaning(error.code)} '
                f'({reason}). Open the address in a browser to see more. '
                f'{_BY_HAND}'
            ) from error
        except (URLError, http.client.HTTPException, OSError) as error:
            cause = getattr(error, 'reason', error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise CheckpointError(
                    f'{self.url} cannot be downloaded: the certificate of the '
                    f'server is not valid ({cause.verify_message}). If a '
                    'proxy of your network has its own certificate, name its '
                    'file in the variable SSL_CERT_FILE.'
                ) from error
            if isinstance(cause, (ConnectionRefusedError, socket.gaierror)):
                raise _Unreachable(_describe(cause)) from error
            raise _Interrupted(_describe(cause)) from error

    def _refuse_page(
        self, response: http.client.HTTPResponse, first: bytes
    ) -> None:
        """Refuse a web page, which some servers send instead of the file."""
        kind = response.headers.get_content_type()
        start = first.lstrip(b'\xef\xbb\xbf \r\n\t')[:1]
        if kind != 'text/html' and start != b'<':
            return
        found = re.search(rb'<title[^>]*>(.*?)</title>', first, re.S | re.I)
        title = found[1].decode(errors='replace') if found else ''
        name = ' '.join(html.unescape(title).split()) or 'without a title'
        raise CheckpointError(
            f'{self.url} leads to a web page ("{name[:100]}") instead of a '
            'file: a log-in, a confirmation, or a notice that the daily quota '
            'of downloads is used up. Open the address in a browser. '
            f'{_BY_HAND}'
        )

    def _explain(self, reason: str, part: Path) -> str:
        """Explain that all attempts failed."""
        kept = _size(part)
        rest = (
            f'The first {kept / 1e6:.1f} MB are kept, so running the same '
            'command again continues there. '
            if kept
            else ''
        )
        return (
            f'{self.url} cannot be downloaded: {reason}. {rest}Check the '
            'connection and the proxy (https_proxy). On a machine without '
            'internet, use "maxtron download" on another one and copy its '
            'cache folder, see MAXTRON_HOME.'
        )


def _read_blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Read a response, with its errors as interruptions."""
    while True:
        try:
            block = response.read1(_BLOCK)  # what has come, without waiting
        except (http.client.HTTPException, OSError) as error:
            raise _Interrupted(_describe(error)) from error
        if not block:
            return
        yield block


def _describe(error: object) -> str:
    """Describe an error of a connection."""
    if isinstance(error, TimeoutError):
        return 'the server does not answer in time'
    if isinstance(error, http.client.IncompleteRead):
        return 'the connection ended early'
    return getattr(error, 'strerror', None) or str(error) or repr(error)


def _meaning(status: int) -> str:
    """Explain an HTTP status that will not pass by itself."""
    if status in (401, 403, 407):
        return 'the server or a proxy refuses access'
    if status in (404, 410):
        return 'the server has no such file'
    return 'the server cannot send it'


def _size(path: Path) -> int:
    """Size of a file in bytes, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def _length(response: http.client.HTTPResponse) -> int | None:
    """Number of bytes that a response will have, None if unknown."""
    text = response.headers.get('Content-Length', '')
    return int(text) if text.isdecimal() else None


def _check_range(
    response: http.client.HTTPResponse, part: Path, offset: int
) -> None:
    """Check that a partial response begins where the part ends."""
    content_range = response.headers.get('Content-Range', '')
    if not content_range.startswith(f'bytes {offset}-'):
        part.unlink(missing_ok=True)
        raise _Interrupted('the server sent another part of the file')


def _check_space(part: Path, needed: int) -> None:
    """Check the free space before the download, not at its end."""
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise WriteError(
            f'{part} cannot be written: {needed / 1e6:.0f} MB are needed and '
            f'{free / 1e6:.0f} MB are free. MAXTRON_HOME=FOLDER takes another '
            'folder.'
        )


def _validator_path(part: Path) -> Path:
    """File that keeps the version of the file that a part belongs to."""
    return part.with_name(f'{part.name}.version')


def _keep_validator(response: http.client.HTTPResponse, part: Path) -> None:
    """Keep the version, so that two versions of a file are never mixed."""
    headers = response.headers
    tag = headers.get('ETag', '')
    version = tag if tag[:1] == '"' else headers.get('Last-Modified', '')
    if version:
        _validator_path(part).write_text(version)
    else:
        _validator_path(part).unlink(missing_ok=True)
