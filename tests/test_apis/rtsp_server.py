# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A minimal RTSP server, for one connection by TCP."""

import re
import socket
import struct
from itertools import count

TS_PACKET = 188
SDP = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track0\r\n'
ANSWERS = dict(
    OPTIONS='Public: DESCRIBE, SETUP, PLAY\r\n\r\n',
    DESCRIBE=f'Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}',
    SETUP='Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n',
    PLAY='Session: 1\r\n\r\n',
)


def serve(connection: socket.socket, content: bytes) -> None:
    """Answer the requests of a player, then send an MPEG transport stream.

    Args:
        connection (socket): Connection to the player.
        content (bytes): The stream.
    """
    requests = connection.makefile('rb')
    method = None
    while method != 'PLAY':
        lines = list(iter(requests.readline, b'\r\n'))
        text = b''.join(lines).decode()
        method = text.split()[0]
        number = re.search(r'CSeq: *(\d+)', text, re.IGNORECASE)[1]
        head = f'RTSP/1.0 200 OK\r\nCSeq: {number}\r\n'
        connection.sendall((head + ANSWERS[method]).encode())
    size = 7 * TS_PACKET
    for i in count():
        part = content[i * size : (i + 1) * size]
        if not part:
            break
        # RTP: version 2, payload type 33, number, time, source
        packet = struct.pack('>BBHII', 0x80, 33, i % 2**16, i * 3000, 1) + part
        connection.sendall(struct.pack('>cBH', b'$', 0, len(packet)) + packet)
