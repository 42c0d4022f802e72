"""One request to a server that may hang, fail or answer nonsense: bounded in time, in what is read of the
answer, and in what is said of it. An address or a token is a secret: no error repeats one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import trio

if TYPE_CHECKING:
    import httpx

TRY_S = 10.0
"""How long one try may take, from the name's resolution to the answer's last byte."""
ANSWER_MAX = 65_536
"""Bytes of an answer that are read."""
WAIT_S_MAX = 30.0
"""The longest pause that a server can ask for."""


class NotSent(Exception):
    """A channel did not take an alert. `after_s`: when it may be tried again; None: not at all."""

    def __init__(self, why: str, after_s: float | None = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class HttpAnswer(NamedTuple):
    """What a server answered: at most `ANSWER_MAX` bytes of it, and its `Retry-After` ("" without one)."""

    status: int
    body: bytes
    retry_after: str


async def request(
    client: "httpx.AsyncClient",
    method: str,
    url: str,
    content: Any = None,
    within_s: float | None = None,
    headers: Mapping[str, str] = {"content-type": "application/json"},
) -> HttpAnswer:
    """One request, with `content` as JSON, in at most `within_s` (`TRY_S`). Raises `NotSent`, which never
    says where it was sent.
    """
    import httpx

    body, limit_s = b"", TRY_S if within_s is None else within_s
    found: HttpAnswer | None = None
    with trio.move_on_after(limit_s) as scope:
        try:
            encoded = None if content is None else msgspec.json.encode(content)
            async with client.stream(method, url, content=encoded, headers=dict(headers)) as response:
                found = HttpAnswer(response.status_code, b"", response.headers.get("retry-after", ""))
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > ANSWER_MAX:
                        # leaving the loop would leave the library's generators to the collector
                        scope.cancel()
            return found._replace(body=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise NotSent("its address is no URL", None) from None
        except httpx.ProxyError:
            raise NotSent("the proxy did not let it through") from None
        except httpx.HTTPError as error:  # its words may quote the address
            raise NotSent(f"no usable answer ({type(error).__name__})") from None
        except (OSError, ValueError, UnicodeError) as error:
            raise NotSent(f"no usable answer ({type(error).__name__})") from None
    if found is not None and len(body) > ANSWER_MAX:
        return found._replace(body=body[:ANSWER_MAX])
    raise NotSent(f"no answer within {limit_s:g} s")


def judged(answer: HttpAnswer) -> None:
    """Raises `NotSent` for anything but 2xx: later where the server asks for that or has failed, never where
    it says that the request is wrong.
    """
    if 200 <= answer.status < 300:
        return
    if answer.status == 429 or answer.status >= 500:
        raise NotSent(f"HTTP {answer.status}", seconds_of(answer.retry_after))
    raise NotSent(f"HTTP {answer.status}", None)


def seconds_of(text: object) -> float:
    """The pause that a server asks for, in whole seconds from 0 to `WAIT_S_MAX`; 0 where it says nothing
    usable.
    """
    digits = str(text)
    return (
        min(WAIT_S_MAX, float(digits)) if digits.isascii() and digits.isdigit() and len(digits) < 9 else 0.0
    )


def new_client() -> "httpx.AsyncClient":
    """A client that follows no redirect: what is sent would go to somebody else."""
    import httpx

    return httpx.AsyncClient(timeout=httpx.Timeout(TRY_S), follow_redirects=False)
