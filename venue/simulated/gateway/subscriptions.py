"""`/v1/subscribe`: control frames in, streams out. Events have no envelope, answers to control frames
carry the frame's `id`.
"""

from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from venue.nado.codec import Whole, write
from venue.nado.signing import stream_authentication_digest
from venue.nado.socket import background
from venue.simulated.engine.candles import GRANULARITIES_S
from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.engine.rules import RECV_WINDOW_MS
from venue.simulated.faults.order_faults import ConnectionCut
from venue.simulated.gateway.sessions import Closed, Frames
from venue.simulated.payloads.requests import read_request
from venue.simulated.signatures import signer_of
from venue.simulated.streams.subscribers import QUEUE_MAX, Listener, Topic, TruncatedFrame
from venue.simulated.venue import SimulatedVenue


class _AuthTx(msgspec.Struct, frozen=True):
    sender: str
    expiration: Whole


class _Control(msgspec.Struct, frozen=True):
    method: str
    id: Whole = Whole(0)
    stream: dict[str, Any] = {}
    streams: tuple[dict[str, Any], ...] = ()
    tx: _AuthTx | None = None
    signature: str = ""
    client_time: str | int | None = None


_PER_PRODUCT = {"book_depth", "best_bid_offer", "trade", "funding_payment", "latest_candlestick"}
_PER_PRODUCT_OR_ALL = {"funding_rate", "liquidation"}
_PER_ACCOUNT = {"fill", "order_update", "position_change"}


async def subscribe_session(frames: Frames, venue: SimulatedVenue, *, queue_max: int = QUEUE_MAX) -> None:
    """Streams and their control frames. A reader that falls `queue_max` messages behind is cut off."""
    listener = Listener(queue_max)
    subscriptions = Subscriptions(venue, listener)
    try:
        with listener.scope, suppress(Closed):
            async with background() as nursery:

                async def read_controls() -> None:
                    with suppress(Closed, ConnectionCut):
                        while True:
                            subscriptions.control(await frames.receive())
                    nursery.cancel_scope.cancel()

                nursery.start_soon(read_controls)
                async for text in listener.queue:
                    if isinstance(text, TruncatedFrame):
                        await frames.send_truncated(text)
                        break
                    await frames.send(text)
    finally:
        subscriptions.drop_all()


class Subscriptions:
    """What one connection listens to, and for whom it has authenticated."""

    def __init__(self, venue: SimulatedVenue, listener: Listener) -> None:
        self._venue = venue
        self._listener = listener
        self._streams: dict[Topic, dict[str, Any]] = {}
        self._wallet = ""

    def drop_all(self) -> None:
        """Unsubscribe from everything and give the wallet's place free: the connection is over."""
        for topic in self._streams:
            self._venue.subscribers.remove(topic, self._listener)
        self._streams.clear()
        self._venue.admission.leave(self._wallet, self._listener)

    def control(self, text: str) -> None:
        """Obey one control frame and queue its answer: {"result": ..., "id": n}, or {"error": text,
        "error_code": n, "id": n}.
        """
        number, method = 0, ""
        try:
            frame = read_request(text, _Control)
            number, method = int(frame.id), frame.method
            reply = {"result": self._result_of(frame)}
        except ExchangeRefusal as no:
            reply = {"error": no.text, "error_code": no.code}
        answer = write({**reply, "id": number})
        self._venue.delivery.answer(method, partial(self._listener.post, answer), self._listener.scope.cancel)

    def _result_of(self, frame: _Control) -> object:
        now_ms = str(self._venue.now_ms())
        streams = frame.streams if frame.method.endswith("_multi") else (frame.stream,)
        match frame.method:
            case "subscribe" | "subscribe_multi":
                self._subscribe(streams)
            case "unsubscribe" | "unsubscribe_multi":
                for topic in [self._topic(stream) for stream in streams]:
                    self._streams.pop(topic, None)
                    self._venue.subscribers.remove(topic, self._listener)
            case "authenticate":
                self._authenticate(frame)
            case "list":
                return [{"type": "default"}, *self._streams.values()]
            case "time":
                return now_ms
            case "ping":
                echo = {} if frame.client_time is None else {"client_time": str(frame.client_time)}
                return {"method": "pong", "server_time": now_ms, **echo}
            case _:
                raise ExchangeRefusal(2038, f"Unknown method: {frame.method[:64]}")
        return None

    def _subscribe(self, streams: tuple[dict[str, Any], ...]) -> None:
        topics = [self._topic(stream) for stream in streams]
        for topic in topics:  # all of them are checked before the first is added
            require(topic[0] != "order_update" or str(topic[1])[:42] == self._wallet, 2050)
        for topic, stream in zip(topics, streams, strict=True):
            self._streams[topic] = stream
            self._venue.subscribers.add(topic, self._listener)

    def _topic(self, stream: dict[str, Any]) -> Topic:
        """The topic of a stream. An unknown stream, product or extra field is rejected, as the venue does."""
        fields = dict(stream)
        kind, product_id = fields.pop("type", None), fields.pop("product_id", None)
        topic: Topic = (kind, product_id)
        if kind in _PER_ACCOUNT:
            topic = (kind, str(fields.pop("subaccount", "")).lower(), product_id)
        elif kind == "latest_candlestick":
            granularity = fields.pop("granularity", None)
            require(granularity in GRANULARITIES_S, 3003)
            topic = (kind, int(granularity), product_id)
        elif kind == "all_bbo":
            topic = (kind, None)
        elif kind not in _PER_PRODUCT | _PER_PRODUCT_OR_ALL:
            raise ExchangeRefusal(2038, f"Unknown stream: {str(kind)[:64]}")
        if fields:
            raise ExchangeRefusal(2038, f"Unknown fields of {kind}: {', '.join(sorted(fields))[:64]}")
        if (product_id is None and kind in _PER_PRODUCT) or (
            product_id is not None and product_id not in self._venue.exchange.markets
        ):
            raise refused(2016)
        return topic

    def _authenticate(self, frame: _Control) -> None:
        """The owner signs, or the subaccount's linked signer. One wallet for the life of the connection;
        `expiration` within 100 s.
        """
        if frame.tx is None or self._wallet:
            raise refused(2038)
        venue, sender, expiration = self._venue, frame.tx.sender.lower(), int(frame.tx.expiration)
        if not venue.now_ms() < expiration <= venue.now_ms() + RECV_WINDOW_MS:
            raise ExchangeRefusal(2004, "The expiration must lie within the next 100 seconds.")
        try:
            digest = stream_authentication_digest(
                sender, expiration, venue.exchange.chain_id, venue.exchange.endpoint
            )
        except ValueError as error:
            raise refused(2038) from error
        venue.exchange.check_signer(sender, signer_of(digest, frame.signature))
        self._wallet = sender[:42]
        self._venue.admission.admit(self._wallet, self._listener)
