"""Where Nado is: the addresses of its two networks, and what each is known by.

Facts of the venue (its documents and nado-protocol's deployments agree on them). Everything else, the chain
and the endpoint contract that signatures are made for included, is read from the venue at start; what stands
here of them is only compared, so that an answer from the wrong network is noticed before anything is signed
for it.
"""

from collections.abc import Mapping

import msgspec


class Network(msgspec.Struct, frozen=True):
    """One network of the exchange. Addresses without `/v1`; the archive has a host of its own."""

    gateway: str
    archive: str
    chain_id: int
    endpoint: str
    """The verifying contract of everything but orders."""


NETWORKS: Mapping[str, Network] = {
    "mainnet": Network(
        "https://gateway.prod.nado.xyz",
        "https://archive.prod.nado.xyz",
        57073,
        "0x05ec92D78ED421f3D3Ada77FFdE167106565974E",
    ),
    "testnet": Network(
        "https://gateway.test.nado.xyz",
        "https://archive.test.nado.xyz",
        763373,
        "0x698D87105274292B5673367DEC81874Ce3633Ac2",
    ),
}
"""Ink, and Ink Sepolia."""
