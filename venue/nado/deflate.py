"""permessage-deflate (RFC 7692) that trusts nobody: wsproto's, with the answer's parameters checked and the
inflating bounded.

wsproto inflates whatever has arrived in one go, and deflate grows a thousandfold: 64 kB from the wire would
become 64 MB before anybody could count it. Here a message is inflated no further than its limit, and one that
is larger ends the connection (1009).
"""

import zlib

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

_TAIL = b"\x00\x00\xff\xff"
"""What every sender leaves off the end of a message (RFC 7692, 7.2.1)."""
LEVEL, WINDOW_BITS, MEMORY_LEVEL = 1, 12, 5
"""How we deflate: 4 kB of history and 64 kB less of tables than zlib's own choice. An order is a few hundred
bytes, and what zlib touches for it is in no cache when a plan is placed. Any receiver reads it: a window may
be smaller than the one agreed upon.
"""
_SWITCHES = frozenset({"client_no_context_takeover", "server_no_context_takeover"})
_WINDOWS = frozenset({"client_max_window_bits", "server_max_window_bits"})


class BoundedDeflate(PerMessageDeflate):
    """Inflates at most `limit` bytes of one message. `inflated` counts those of all of them."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._room = limit
        self.inflated = 0

    def finalize(self, offer: str) -> None:
        """Take what the server accepted. Raises `ValueError` for what RFC 7692 has no such answer for: we
        could not read its frames, nor it ours.
        """
        if self.enabled():
            raise ValueError(f"{self.name} was accepted twice")
        names = [_checked(parameter) for parameter in offer.split(";")[1:]]
        if len(set(names)) != len(names):
            raise ValueError(f"a parameter stands twice in {offer!r}")
        super().finalize(offer)

    def frame_outbound(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> tuple[RsvBits, bytes]:
        """As wsproto's, with a compressor that fits what we send."""
        if self._compressor is None:
            agreed = self.client_max_window_bits if proto.client else self.server_max_window_bits
            bits = min(int(agreed), WINDOW_BITS)
            self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -bits, MEMORY_LEVEL)
        return super().frame_outbound(proto, opcode, rsv, data, fin)

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """As wsproto's; but a ping between two fragments does not change the message around it."""
        compressed = self._inbound_compressed
        answer = super().frame_inbound_header(proto, opcode, rsv, payload_length)
        if opcode.iscontrol():
            self._inbound_compressed = compressed
        return answer

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        """Some of a frame, inflated no further than the message's limit."""
        if not self._inbound_compressed or not self._inbound_is_compressible:
            return data
        return self._inflate(data)

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        """The rest of a message that ends with this frame."""
        if not fin or not self._inbound_is_compressible:
            return None
        rest = self._inflate(_TAIL) if self._inbound_compressed else None
        if self.server_no_context_takeover if proto.client else self.client_no_context_takeover:
            self._decompressor = None
        self._inbound_compressed = None
        self._room = self._limit
        return rest

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        if self._decompressor is None:  # a continuation cannot come first, so the header has made one
            return CloseReason.PROTOCOL_ERROR
        try:
            inflated = self._decompressor.decompress(data, self._room + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self.inflated += len(inflated)
        self._room -= len(inflated)
        if self._room < 0:
            return CloseReason.MESSAGE_TOO_BIG
        # A final block ends zlib's stream: it would read every later message as empty, and keep all of their
        # bytes.
        return CloseReason.INVALID_FRAME_PAYLOAD_DATA if self._decompressor.eof else inflated


def _checked(parameter: str) -> str:
    """The parameter's name. Raises `ValueError` for one that a server may not answer with, or not with
    this value.
    """
    name, given, value = (part.strip() for part in parameter.partition("="))
    fits = not given if name in _SWITCHES else name in _WINDOWS and value.isascii() and value.isdigit()
    if not fits:
        raise ValueError(f"{parameter.strip()!r} is no parameter that can be answered with")
    return name
