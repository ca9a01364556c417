# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Guard of a page against hostile requests, as ASGI middleware.

Gradio has more routes than the page uses. The guard answers those with 404,
before Gradio reads them. It ends requests whose body is too large when their
length is announced, which uploads must do, or else as soon as they exceed the
limit. It removes the parts of uploads that were given up.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from .jobs import Limits
from .storage import check_storage, remove_parts

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

UPLOAD = '/gradio_api/upload'
MAX_BODY = 1 << 20  # of requests that are no upload
_FORM = 1 << 16  # headers of an upload
# Routes of the page. A file is a path, not the address of another server.
_READ = re.compile(
    r'/|/config|/theme\.css|/favicon\.ico|/manifest\.json'
    r'|/(assets|static)/.*'
    r'|/gradio_api/(app_id|startup-events|queue/data|upload_progress'
    r'|heartbeat/\w+|file=(?!\w+:).*)',
    re.DOTALL,
)
_WRITE = re.compile(rf'/gradio_api/(queue/join|cancel|reset)|{UPLOAD}')
# The browser of a visitor asks no other server.
_HEADERS = {
    b'content-security-policy': (
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
        b"frame-ancestors 'self'"
    ),
    b'x-content-type-options': b'nosniff',
    b'referrer-policy': b'same-origin',
}


class Guard:
    """Middleware that refuses requests which the page does not make.

    Args:
        app (Callable): The application.
        folder (Path): Folder of all uploads and results.
        limits (Limits): Limits of the server.
        uploads (bool): Whether uploads are accepted. Defaults to True.
    """

    def __init__(
        self, app: Callable, folder: Path, limits: Limits, uploads: bool = True
    ) -> None:
        self.app = app
        self.folder = folder
        self.limits = limits
        self.uploads = uploads
        self.pending: list[int] = []  # bytes of each upload in progress

    async def __call__(
        self, scope: Message, receive: Receive, send: Send
    ) -> None:
        """Answer a request."""
        if scope['type'] == 'lifespan':
            await self.app(scope, receive, send)
            return
        fault = self._find_fault(scope)
        if fault:
            if scope['type'] == 'http':
                await _answer(send, *fault)
            return
        is_upload = scope['path'] == UPLOAD
        limit = MAX_BODY
        if is_upload:
            limit = self.limits.megabytes * 10**6 + _FORM
            self.pending.append(_length(scope) or 0)
        try:
            await self._pass_on(scope, receive, send, limit)
        finally:
            if is_upload:
                self.pending.remove(_length(scope) or 0)
                if not self.pending:
                    remove_parts(self.folder)

    def _find_fault(self, scope: Message) -> tuple[int, str] | None:
        """Return status and text of a refusal; None if nothing is wrong."""
        path, method = scope['path'], str(scope.get('method'))
        routes = {'GET': _READ, 'HEAD': _READ, 'POST': _WRITE}.get(method)
        if routes is None or not routes.fullmatch(path) or '\0' in path:
            return 404, 'There is no such page.'
        try:
            length = _length(scope)
        except ValueError:
            return 400, 'The length of the request is no number.'
        if path != UPLOAD:
            if (length or 0) > MAX_BODY:
                return 413, 'The request is too large.'
            return None
        if not self.uploads:
            return 404, 'This page takes no uploads.'
        if length is None:
            return 411, 'An upload must announce its length.'
        if length > self.limits.megabytes * 10**6 + _FORM:
            return 413, (
                f'The file is above the limit of {self.limits.megabytes} MB.'
            )
        try:
            more = sum(self.pending) + length
            check_storage(self.folder, self.limits, more)
        except InputError as error:
            return 507, str(error)
        return None

    async def _pass_on(
        self, scope: Message, receive: Receive, send: Send, limit: int
    ) -> None:
        """Let the application answer, as long as the body is small."""
        received = 0
        started = refused = False

        async def receive_some() -> Message:
            nonlocal received, refused
            message = await receive()
            received += len(message.get('body', b''))
            if received <= limit:
                return message
            if not started and not refused:
                refused = True
                await _answer(send, 413, 'The request is too large.')
            refused = True
            return dict(type='http.disconnect')

        async def send_on(message: Message) -> None:
            nonlocal started
            if refused:
                return
            if message['type'] == 'http.response.start':
                started = True
                message['headers'] = [
                    *message.get('headers', ()),
                    *_HEADERS.items(),
                ]
            await send(message)

        try:
            await self.app(scope, receive_some, send_on)
        except Exception:
            if not refused:  # else the end of the body was the reason
                raise


def _length(scope: Message) -> int | None:
    """Read the announced length of a body, None if there is none.

    Raises:
        ValueError: If it is not a number from 0.
    """
    headers = dict(scope['headers'])
    text = headers.get(b'content-length')
    if text is None:
        return None
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


async def _answer(send: Send, status: int, text: str) -> None:
    """Send a short answer, and end the connection."""
    body = text.encode()
    headers = {
        b'content-type': b'text/plain; charset=utf-8',
        b'content-length': str(len(body)).encode(),
        b'connection': b'close',
    }
    await send(
        dict(
            type='http.response.start',
            status=status,
            headers=list(headers.items()),
        )
    )
    await send(dict(type='http.response.body', body=body))
