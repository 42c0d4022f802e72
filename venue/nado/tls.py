"""Whom we believe over TLS: one context for the sockets and for HTTP, so that both trust the same
certificates.

httpx's rule: the authorities of `SSL_CERT_FILE` or `SSL_CERT_DIR` when one of them is set (a company's proxy,
a test), else those of certifi. Host names are checked, and there is no switch that turns this off: whoever
reads an order on its way can hold it back and send it later.
"""

import os
import ssl
from functools import lru_cache

from venue.protocol import Unreachable


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """The context, read once: reading the authorities takes tens of milliseconds. Raises `Unreachable`
    naming a file that cannot be read.
    """
    import httpx  # noqa: PLC0415 - `import supervisor` must stay cheap

    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl's own errors are OSErrors too
        named = next(
            (
                f"{name} = {os.environ[name]}"
                for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
                if os.environ.get(name)
            ),
            "certifi's",
        )
        raise Unreachable(
            f"no TLS: the certificate authorities cannot be read ({named}): {error.strerror or error}"
        ) from None


@lru_cache(maxsize=1)
def nobody() -> ssl.SSLContext:
    """A context that trusts no authority at all, for what speaks no TLS: httpx wants one, and would read
    the authorities for each new client.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
