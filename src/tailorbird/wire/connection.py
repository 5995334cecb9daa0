"""One client's connection: how long it may keep us waiting, and how much it may send before it is known.

uvicorn's protocol over httptools parses HTTP and runs the application. What it does not bound is bounded here: the
time for a head and for a body, the bytes of a head, requests sent without awaiting answers, answers that are not
taken, and connections altogether. And what is answered at once is answered here, without a task of the event loop:
that takes half as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tailorbird.wire.response import Response

HEAD_LIMIT = 64 << 10
"""Bytes of a request's line, headers and trailers; AWS's own services take 8 to 16 kB. Not tuned: enough for whatever
they take."""
PIPELINE = 8
"""Requests that may wait behind the one being answered; no AWS SDK sends any. Not tuned."""
LEAST_RATE = 1024
"""Bytes a second that a body or an answer must move by, so that no client holds a place for ever; not tuned."""

AtOnce = Callable[[bytes, list[tuple[bytes, bytes]], bytes], Response | None]
"""(target, headers, body of a POST) → the answer, if it is at hand; else the application is asked."""


@dataclass(frozen=True)
class Limits:
    """What a server grants to its clients."""

    connections: int
    """Open at a time."""
    silence_seconds: float
    """For a head, between requests, and between two looks at whether a body or an answer moves."""


class Connection(HttpToolsProtocol):
    """Ends itself when the client keeps it waiting."""

    def __init__(self, limits: Limits, at_once: AtOnce, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._at_once = at_once
        self._body: list[bytes] | None = None
        """Of a request whose head is whole, but not handed to the application yet; None where there is no such."""
        self._offer: list[tuple[bytes, bytes]] = []
        """The headers of a request that offer another protocol, which the parser is not told of."""
        self._in_head = False
        self._head_bytes = 0
        self._unparsed = 0
        """Bytes since the parser last told of anything: it keeps an unfinished header to itself."""
        self._body_bytes = 0
        """Since the last look."""
        self._untaken = 0
        """Bytes of answers that waited for the client at the last look."""
        self._since = 0.0
        """When the client began to keep us waiting, by the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None

    # --- The life of a connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection, or refuses it where all places are taken by clients that are being answered."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self._limits.silence_seconds, self._look)
        if len(self.connections) > self._limits.connections:
            self._find_place()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what belongs to the connection."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _find_place(self) -> None:
        """Ends a connection that sends a body though it was answered, or that has been idle longest, or else this."""
        others: list[Any] = [each for each in self.connections if each is not self and not each.transport.is_closing()]
        if len(others) < self._limits.connections:
            return
        idle = [each for each in others if each.is_idle or each.is_refused]
        if idle:
            min(idle, key=lambda each: (not each.is_refused, each._since)).transport.close()
        else:
            self._refuse(b"503 Service Unavailable")

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._in_head and (self.cycle is None or (self.cycle.response_complete and not self.pipeline))

    @property
    def is_refused(self) -> bool:
        """Whether its request was answered before it was whole: what still comes of it is thrown away."""
        return self.cycle is not None and self.cycle.response_started and self.cycle.more_body

    def _look(self) -> None:
        """Ends the connection if the client has kept it waiting, and looks again later otherwise."""
        now, patience = self.loop.time(), self._limits.silence_seconds
        if now - self._since >= patience:
            if not self._moves():
                self._end()
                return
            self._since = now
        self._timer = self.loop.call_later(self._since + patience - now, self._look)

    def _moves(self) -> bool:
        """Whether it is not the client who is waited for, or the client sent or took enough since the last look."""
        least = LEAST_RATE * self._limits.silence_seconds
        before, self._untaken = self._untaken, self.transport.get_write_buffer_size()
        received, self._body_bytes = self._body_bytes, 0
        if self._untaken:
            return not before or before - self._untaken >= least
        if self._in_head or self.is_idle:
            return False
        return not self.cycle.more_body or self.flow.read_paused or received >= least

    def _end(self) -> None:
        if self._untaken:
            self.transport.abort()
        elif self.is_idle or self.is_refused:
            self.transport.close()
        else:
            self._refuse(b"408 Request Timeout")
        # Closing waits until what was written is taken; look whether it is.
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self._limits.silence_seconds, self._look)

    def _refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()

    # --- What the parser tells ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parses what came; refuses a head that does not end."""
        self._unparsed += len(data)
        self._unset_keepalive_if_required()
        try:
            while data and not self.transport.is_closing():
                data = self._parse(data)
        except HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")
        self._hand_over()
        if self._head_bytes + self._unparsed > HEAD_LIMIT and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def _parse(self, data: bytes) -> bytes:
        """Parses bytes; what is to be parsed next.

        A request that offers another protocol (RFC 9110, 7.8) is read once more without its offer, which we never
        take: the parser would take its head for all of it, and its body for that protocol.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            if not self._offers():
                return b""  # CONNECT, which is answered, and behind which there is no HTTP
            line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
            self.parser = HttpRequestParser(self)  # this one takes the connection for ended if the request was its last
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            self._offer = [header for header in self.headers if header[0] == b"upgrade"]
            return b"".join((line, *kept, b"\r\n", data[offer.args[0] :]))
        return b""

    def _offers(self) -> bool:
        """Whether the request offers another protocol."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        self._since = self.loop.time()
        self._head_bytes = self._unparsed = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._head_bytes += len(url)
        self._unparsed = 0
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nothing needs: the application has its headers already."""
        self._head_bytes += len(name) + len(value)
        self._unparsed = 0
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hands the request to the application, unless it may be answered at once when its body is there."""
        self._in_head = False
        self._since = self.loop.time()
        self._unparsed = 0
        if self._offers():
            return
        self.headers += self._offer  # it may be signed
        self._offer = []
        if len(self.pipeline) >= PIPELINE:
            self.transport.abort()
        elif self._is_plain():
            self._body = []
        else:
            self._begin()

    def _is_plain(self) -> bool:
        """Whether it is a POST that asks nothing of the connection, and no other is being answered on it."""
        parser = self.parser
        if parser.get_method() != b"POST" or not parser.should_keep_alive() or self.expect_100_continue:
            return False
        first = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        return bool(first and parser.get_http_version() == "1.1")

    def _hand_over(self) -> None:
        """Lets the application have a request that waited for its body, and what came of that."""
        if self._body is not None:
            parts, self._body = self._body, None
            self._begin()
            for part in parts:
                super().on_body(part)

    def _begin(self) -> None:
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # CONNECT

    def on_chunk_header(self) -> None:
        """The size of a chunk."""
        self._unparsed = 0

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unparsed = 0
        self._body_bytes += len(body)
        if self._body is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The last byte of a request, which is answered if that can be done at once."""
        self._unparsed = 0
        if self._offers():
            return
        if self._body is None or not self._answered(b"".join(self._body)):
            self._hand_over()
            super().on_message_complete()

    def _answered(self, body: bytes) -> bool:
        if self.flow.write_paused or self.transport.is_closing():
            return False
        response = self._at_once(self.url, self.headers, body)
        if response is None:
            return False
        self._body = None
        begin = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        told = "".join([f"{name}: {value}\r\n" for name, value in response.headers]).encode("latin-1")
        size = b"content-length: %d\r\n\r\n" % len(response.body)
        self.transport.write(b"".join((STATUS_LINE[response.status], begin, told, size, response.body)))
        self.server_state.total_requests += 1
        return True

    def on_response_complete(self) -> None:
        """The last byte of an answer, as far as we are concerned."""
        self._since = self.loop.time()
        super().on_response_complete()
