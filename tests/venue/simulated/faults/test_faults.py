"""Staged accidents as data: decoded strictly, counted exactly."""

from pathlib import Path

import msgspec
import pytest

from venue.simulated.faults.order_faults import (
    DEMO,
    NO_FAULTS,
    Cut,
    FaultCounter,
    Faults,
    LoseAck,
    Refuse,
    faults_named,
)

TOML = """
[[refuse]]
product = "SOL-PERP"
nth = 4
code = 2031
text = "thin book"

[[lose_ack]]
nth = 2
increasing = false

[[cut]]
product = "ETH-PERP"
nth = 1
when = "before"
"""


def test_toml_and_json_files_say_the_same(tmp_path: Path) -> None:
    wanted = Faults(
        (Refuse(product="SOL-PERP", nth=4, code=2031, text="thin book"),),
        (LoseAck(nth=2, increasing=False),),
        (Cut(product="ETH-PERP", nth=1, when="before"),),
    )
    (tmp_path / "faults.toml").write_text(TOML)
    (tmp_path / "faults.json").write_bytes(msgspec.json.encode(wanted))
    assert (
        faults_named(str(tmp_path / "faults.toml")) == faults_named(str(tmp_path / "faults.json")) == wanted
    )


def test_the_built_in_names_are_none_and_demo() -> None:
    assert faults_named("none") == faults_named("") == NO_FAULTS
    assert faults_named("demo") == DEMO


@pytest.mark.parametrize(
    "text",
    [
        "[[refuse]]\nnth = 0\ncode = 2031",
        "[[refuse]]\nnth = 1",
        "[[refuse]]\nnth = 1\ncode = 1\nwho = 2",
        "[[cut]]\nnth = 1\nwhen = 'soon'",
        "[[x]]",
        "=",
    ],
)
def test_what_is_not_understood_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        faults_named(str(path))


def test_a_fault_of_a_product_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="BTC-PERP"):
        Faults(lose_ack=(LoseAck(nth=1, product="BTC-PERP"),)).with_known(
            frozenset({"ETH-PERP"}), frozenset()
        )


def test_each_fault_counts_only_the_orders_it_is_about() -> None:
    counter = FaultCounter(
        Faults((Refuse(product="SOL-PERP", nth=2, code=2006),), (LoseAck(nth=3, increasing=False),))
    )
    orders = [
        ("SOL-PERP", True),
        ("ETH-PERP", True),
        ("SOL-PERP", False),
        ("SOL-PERP", True),
        ("SOL-PERP", True),
    ]
    staged = [counter.next(product, increasing=increasing) for product, increasing in orders]
    assert [one.refusal.code if one.refusal else None for one in staged] == [None, None, None, 2006, None]
    assert [one.lose_ack for one in staged] == [False, False, True, False, False]
    assert staged[3].refusal is not None
    assert staged[3].refusal.text.startswith("staged: ")


def test_two_equal_faults_count_apart() -> None:
    counter = FaultCounter(Faults((Refuse(nth=2, code=2006), Refuse(nth=2, code=2006))))
    assert [counter.next("ETH-PERP", increasing=True).refusal is not None for _ in range(3)] == [
        False,
        True,
        False,
    ]
