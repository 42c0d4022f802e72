"""One SDK and one simulated venue for all contract tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.commands.test_simulate import simulate
from tests.contract.sdk import SdkDesk, imported, sdk_connected
from venue.nado.signing import subaccount_hex
from venue.throwaway import THROWAWAY_ADDRESS

VICTIM = subaccount_hex(THROWAWAY_ADDRESS, "victim")
"""A subaccount whose positions are taken over every half second: that is how a test gets to see a
liquidation.
"""
EVERY_MS, UNTIL_MS = 500, 120_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def sdk() -> SimpleNamespace:
    return imported()


@pytest.fixture(scope="session")
def venue_url(sdk: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    moments = range(EVERY_MS, UNTIL_MS, EVERY_MS)
    staged = [{"kind": "liquidate", "at_ms": at_ms, "subaccount": VICTIM} for at_ms in moments]
    staged += [{"kind": "funding", "at_ms": at_ms} for at_ms in moments]
    faults = tmp_path_factory.mktemp("contract") / "faults.json"
    faults.write_text(json.dumps({"incident": staged, "venue": {"rate_limits": False}}))
    with simulate("--faults", str(faults)) as (_, url):
        yield url


@pytest.fixture
def desk(sdk: SimpleNamespace, venue_url: str) -> Iterator[SdkDesk]:
    made = sdk_connected(sdk, venue_url)
    yield made
    made.close_out()
