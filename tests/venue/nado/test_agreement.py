"""nado-protocol's word on our signatures, as live start-up asks for it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.actors.fakes import RULES
from venue.nado import agreement
from venue.nado.agreement import Disagreement, agree, samples
from venue.nado.signing import Signer, subaccount_hex

KEY = bytes(range(1, 33))
SIGNER = Signer(KEY)
SENDER = subaccount_hex("0x" + "ab" * 20, "evenkeel")
NOW_MS = 1_790_000_000_000


@pytest.mark.filterwarnings("ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning")
def test_the_sdk_signs_every_kind_of_message_as_we_do_with_this_key_on_this_chain() -> None:
    kinds = [sample.kind for sample in samples(RULES, SENDER, NOW_MS)]
    assert set(kinds) == {
        "PLACE_ORDER",
        "CANCEL_ORDERS",
        "CANCEL_PRODUCT_ORDERS",
        "AUTHENTICATE_STREAM",
        "LINK_SIGNER",
    }
    assert agree(SIGNER, RULES, SENDER, NOW_MS) == len(kinds) == 12


@pytest.mark.parametrize(
    "kind", ["PLACE_ORDER", "CANCEL_ORDERS", "CANCEL_PRODUCT_ORDERS", "AUTHENTICATE_STREAM", "LINK_SIGNER"]
)
def test_one_wrong_bit_in_any_kind_of_message_is_a_disagreement(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest: Callable[..., Any] = samples

    def wrong(*asked: Any) -> Any:
        for sample in honest(*asked):
            bit = bytes([sample.digest[0] ^ 1]) + sample.digest[1:]
            yield msgspec.structs.replace(sample, digest=bit) if sample.kind == kind else sample

    monkeypatch.setattr(agreement, "samples", wrong)
    with pytest.raises(Disagreement, match=f"nado-protocol signs {kind} differently"):
        agree(SIGNER, RULES, SENDER, NOW_MS)


def test_another_chain_is_noticed_by_the_sdk_too(monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[..., Any] = samples
    elsewhere = msgspec.structs.replace(RULES, chain_id=RULES.chain_id + 1)
    monkeypatch.setattr(
        agreement, "samples", lambda _rules, sender, now_ms: honest(elsewhere, sender, now_ms)
    )
    with pytest.raises(Disagreement):
        agree(SIGNER, RULES, SENDER, NOW_MS)


def test_an_sdk_that_fails_is_a_disagreement_whose_words_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(name: str) -> None:
        raise ValueError(f"cannot load {name} for key {KEY.hex()}")

    monkeypatch.setattr(agreement.importlib, "import_module", fails)
    with pytest.raises(Disagreement) as error:
        agree(SIGNER, RULES, SENDER, NOW_MS)
    assert str(error.value) == "nado-protocol cannot be asked (ValueError)"
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
