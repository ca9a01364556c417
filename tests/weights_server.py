# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""HTTP server on loopback that offers files well or with faults."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

PAGE = (
    b'<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>'
    b'</head><body>Too many users have viewed or downloaded this file.</body>'
)


class WeightsServer:
    """Files by name, offered below one path for each behaviour.

    * ``/files/``: ranges, versions (ETag) and the length;
    * ``/plain/``: neither of them, like a simple server;
    * ``/cut/``: the connection ends after ``cut`` bytes of every response;
    * ``/whole-cut/``: the same without ranges;
    * ``/stuck/``: ``cut`` bytes, then nothing until the server is closed,
      even if the rest is requested again;
    * ``/busy/``: status 503 as long as ``busy`` is positive;
    * ``/moved/``: redirects to ``/files/``; ``/loop/``: to itself;
    * ``/quota/``: a web page with status 200; ``/403/``, ``/404/``: statuses.

    Attributes:
        files (dict[str, bytes]): Contents by name.
        url (str): Address without a final slash.
        requests (list[tuple[str, str | None]]): Path and header ``Range`` of
            every request.
        cut (int): Number of bytes before a fault.
        busy (int): Number of requests to refuse.
        version (str): ETag of all files.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cut = self.busy = 0
        self.version = '"1"'
        self.closing = Event()
        self.http = ThreadingHTTPServer(('127.0.0.1', 0), _Handler)
        self.http.weights = self
        self.url = f'http://127.0.0.1:{self.http.server_port}'

    def paths(self) -> list[str]:
        """Paths of all requests."""
        return [path for path, _ in self.requests]


@contextmanager
def serve_weights() -> Iterator[WeightsServer]:
    """Run a server in a thread of this process."""
    server = WeightsServer()
    thread = Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.http.shutdown()
        thread.join()
        server.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        server = self.server.weights
        # A request to a proxy has the whole URL.
        path = unquote(urlsplit(self.path).path)
        server.requests.append((self.path, self.headers['Range']))
        behaviour, _, name = path.lstrip('/').partition('/')
        if behaviour in ('moved', 'loop'):
            target = 'files' if behaviour == 'moved' else 'loop'
            return self.answer(302, Location=f'/{target}/{name}')
        if behaviour == 'quota':
            return self.answer(200, PAGE, Content_Type='text/html')
        if behaviour == 'busy' and server.busy > 0:
            server.busy -= 1
            return self.answer(503)
        if behaviour in ('403', '404') or name not in server.files:
            return self.answer(int(behaviour) if behaviour == '403' else 404)
        self.send_file(server, behaviour, server.files[name])

    def send_file(self, server, behaviour, content):
        status, headers = 200, {'Content_Type': 'application/octet-stream'}
        wanted = re.fullmatch(r'bytes=(\d+)-', self.headers['Range'] or '')
        if behaviour not in ('plain', 'whole-cut'):
            headers['ETag'] = server.version
            same = self.headers['If-Range'] in (None, server.version)
            if wanted and same:
                start, size = int(wanted[1]), len(content)
                if start >= size:
                    return self.answer(416, Content_Range=f'bytes */{size}')
                content = content[start:]
                headers['Content_Range'] = f'bytes {start}-{size - 1}/{size}'
                status = 206
        if behaviour == 'plain':
            return self.answer(status, content, length=None, **headers)
        self.answer(status, b'', len(content), **headers)
        faulty = behaviour in ('cut', 'whole-cut', 'stuck')
        sent = server.cut if faulty else len(content)
        if behaviour == 'stuck' and wanted:
            sent = 0
        self.wfile.write(content[:sent])
        if behaviour == 'stuck':
            self.wfile.flush()
            server.closing.wait()
        self.close_connection = True

    def answer(self, status, body=b'', length=-1, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        if length is not None:
            self.send_header(
                'Content-Length', len(body) if length < 0 else length
            )
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args):
        """Print nothing."""
