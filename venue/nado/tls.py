"""Whom we believe over TLS: one context for the sockets and for HTTP, so that both trust the same certificates.

httpx's rule: the authorities of `SSL_CERT_FILE` or `SSL_CERT_DIR` when one of them is set (a company's proxy, a test), else those of certifi.
Host names are checked, and there is no switch that turns this off: whoever reads an order on its way can hold it back and send it later.
"""

import ssl
from functools import lru_cache


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """The context, read once: reading the authorities takes tens of milliseconds. Raises `OSError` for a file that cannot be read."""
    import httpx  # noqa: PLC0415 - `import supervisor` must stay cheap

    return httpx.create_ssl_context()
