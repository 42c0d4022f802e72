"""The books alone: whatever happens to an account, in whatever order, every dollar has a name and the rest
is 0, to the last digit.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from actors.ledger.money import SILENT_MS, UNEXPLAINED, WAIT_MS, Money
from actors.ledger.tally import OrderTotals, reference, worth
from messages.execution import AccountSnapshot, Position
from messages.lifecycle import Alarm
from messages.money import MoneyEvent, MoneyKind, MoneyRead, Statement
from messages.sizing import Leg
from messages.units import ONE, Base, Ms, Ns, Price, Quote
from messages.wire import decode_unit, encode_unit
from tests.actors.fakes import START_MS, fake_plan, leg_order

PRODUCT: dict[Leg, int] = {"eth": 4, "sol": 8}
STEP: dict[Leg, int] = {"eth": 10**15, "sol": 10**17}
PRICE: dict[Leg, int] = {"eth": int(Price.of("2756.9")), "sol": int(Price.of("115.86"))}


class BookedAccount:
    """An account at an exchange, and the books that are told of it. `deaf`: events of this kind are never
    told.
    """

    def __init__(self, deaf: MoneyKind | None = None) -> None:
        self.books = Money()
        self.deaf = deaf
        self.balances = {0: int(Quote.of("10000")), 4: 0, 8: 0}
        self.held: dict[Leg, int] = {"eth": 0, "sol": 0}
        self.index = {"eth": 0, "sol": 0}
        self.now_ms, self.idx, self.seq = START_MS, 0, 0
        self.kept_back: dict[int, int] = {}
        self.alarms: list[Alarm] = []
        self.books.started()
        self.read()
        self.seen()

    def trade(
        self,
        leg: Leg,
        lots: int,
        mids: dict[Leg, int],
        *,
        off: int = 0,
        fee: int = 10**16,
        pieces: int = 1,
        paired: bool = False,
    ) -> None:
        """One plan that trades `lots` steps of one leg, `off` from its mid, in pieces."""
        self.now_ms, self.seq = self.now_ms + 7_000, self.seq + 1
        amount = lots * STEP[leg]
        orders = {
            each: leg_order(
                PRODUCT[each], Base(amount).text() if each == leg else "0", Price(mids[each]).text()
            )
            for each in PRODUCT
        }
        whole = fake_plan(
            self.now_ms,
            seq=self.seq,
            **{name: msgspec.structs.replace(order, mid=Price(mids[name])) for name, order in orders.items()},
        )
        self.books.placed(whole, paired=paired)
        before, at_mid = OrderTotals(), reference(whole.leg(leg))
        for piece in range(1, pieces + 1):
            filled = amount * piece // pieces // STEP[leg] * STEP[leg]
            cash = -filled * (mids[leg] + off) // ONE
            after = OrderTotals(
                filled=filled,
                fees=fee * piece,
                cash=cash,
                at_mid=worth(filled, at_mid),
                at_plan=worth(filled, at_mid + off // 2),
            )
            self.books.traded(leg, PRODUCT[leg], whole, before, after)
            self.balances[PRODUCT[leg]] += after.cash - before.cash - (after.fees - before.fees)
            before = after
        self.held[leg] += before.filled

    def move(self, kind: MoneyKind, amount: int, product: int = 0, base: int = 0) -> None:
        """Money moves, and the archive tells it."""
        self.now_ms, self.idx = self.now_ms + 7_000, self.idx + 1
        self.balances[product] += amount
        event = MoneyEvent(
            kind,
            product,
            Quote(amount),
            self.idx,
            Ns(self.now_ms * 10**6),
            Base(base),
            Quote(self.balances[product]),
        )
        if kind == self.deaf:
            self.kept_back[product] = self.kept_back.get(product, 0) + amount
        else:
            self.read(event)

    def settle(self, leg: Leg, amount: int) -> None:
        """A result moves into the USDT0 balance: two events of one index."""
        self.move("settlement", -amount, PRODUCT[leg])
        self.move("settlement", amount)

    def fund(self, leg: Leg, per_unit: int) -> None:
        """An hour's funding; longs pay a positive one."""
        self.index[leg] += per_unit
        self.move("funding", -per_unit * self.held[leg] // ONE, PRODUCT[leg])

    def liquidate(self, leg: Leg, lots: int, price: int) -> None:
        """A liquidator takes `lots` steps over, for `price` a unit."""
        base = -lots * STEP[leg] if self.held[leg] > 0 else lots * STEP[leg]
        self.held[leg] += base
        self.move("liquidation", -base * price // ONE, PRODUCT[leg], base)

    def read(self, *events: MoneyEvent) -> None:
        first = self.books.events_after is None
        self.books.read(MoneyRead(4, 8, events, self.idx, self.idx, first=first, asked_ms=Ms(self.now_ms)))

    def snapshot(self) -> AccountSnapshot:
        held = [(product, self.held[leg], self.balances[product], leg) for leg, product in PRODUCT.items()]
        positions = tuple(
            Position(each, Base(amount), Base(0), Quote(cash), Price(PRICE[leg]), self.index[leg])
            for each, amount, cash, leg in held
        )
        value = sum(self.balances.values()) + sum(worth(amount, PRICE[leg]) for _, amount, _, leg in held)
        money = Quote(self.balances[0])
        return AccountSnapshot(Ms(self.now_ms), True, money, money, money, Quote(value), positions, ())

    def seen(self) -> Statement:
        self.now_ms += 1
        alarm = self.books.seen(self.snapshot(), asking=False)
        self.alarms += [alarm] if alarm else []
        return self.stated()

    def stated(self) -> Statement:
        prices = {leg: PRICE[leg] for leg in PRODUCT}
        return self.books.statement(prices, paired=True, complete=True)

    def later(self, by_ms: int = WAIT_MS) -> Statement:
        """The archive is read again, and so is the account."""
        self.now_ms += by_ms
        self.read()
        return self.seen()

    def restart(self) -> None:
        """The books go through a snapshot's bytes, as at a start of the ledger."""
        text = msgspec.json.encode(self.books, enc_hook=encode_unit)
        self.books = msgspec.json.decode(text, type=Money, dec_hook=decode_unit)


def explained(account: BookedAccount, start: int) -> None:
    """The identity, by the account's own numbers."""
    money = account.seen()
    terms = [
        getattr(money, name)
        for name in (
            "deposits",
            "withdrawals",
            "transfers",
            "isolated",
            "settlements",
            "third_party",
            "interest",
            "other",
        )
    ]
    assert (money.residual, money.state, money.words) == (0, "exact", "")
    assert money.balance == sum(account.balances.values())
    assert money.net is not None
    assert money.balance_change == money.balance - start
    assert money.balance_change + money.value_change == money.net + sum(terms)
    assert money.value_change == sum(worth(amount, PRICE[leg]) for leg, amount in account.held.items())


Step = tuple[str, int, int]
STEPS = some.lists(
    some.tuples(
        some.sampled_from(
            [
                "eth",
                "sol",
                "deposit",
                "withdrawal",
                "transfer",
                "isolated",
                "settlement",
                "funding",
                "liquidation",
                "restart",
            ]
        ),
        some.integers(-400, 400),
        some.integers(-(10**20), 10**20),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(STEPS)
def test_whatever_happens_the_identity_holds_to_the_last_digit(steps: list[Step]) -> None:
    account = BookedAccount()
    start = sum(account.balances.values())
    mids = dict(PRICE)
    for what, lots, amount in steps:
        mids = {leg: price + amount // 10**3 // 10**16 * 10**16 for leg, price in mids.items()}
        leg: Leg = "eth" if lots % 2 else "sol"
        if what in PRODUCT:
            account.trade(
                what,
                lots,
                mids,
                off=amount // 10**4,
                fee=abs(amount) // 10**5,
                pieces=1 + abs(lots) % 3,
                paired=lots % 4 == 0,
            )  # type: ignore[arg-type]
        elif what == "settlement":
            account.settle(leg, amount)
        elif what == "funding":
            account.fund(leg, amount)
        elif what == "liquidation" and account.held[leg]:
            account.liquidate(leg, 1 + abs(lots) % max(1, abs(account.held[leg]) // STEP[leg]), mids[leg])
        elif what == "restart":
            account.restart()
        elif what in {"deposit", "withdrawal", "transfer", "isolated"}:
            account.move(what, amount)  # type: ignore[arg-type]
    explained(account, start)
    assert account.alarms == []


HAPPENS: dict[MoneyKind, Any] = {
    "deposit": lambda account: account.move("deposit", int(Quote.of("25"))),
    "withdrawal": lambda account: account.move("withdrawal", -int(Quote.of("15"))),
    "transfer": lambda account: account.move("transfer", int(Quote.of("-7.5"))),
    "isolated": lambda account: account.move("isolated", int(Quote.of("-200"))),
    "interest": lambda account: account.move("interest", 12_345_678_901),
    "funding": lambda account: account.fund("eth", 10**16),
    "settlement": lambda account: account.settle("sol", int(Quote.of("4.2"))),
    "liquidation": lambda account: account.liquidate("eth", 42, PRICE["eth"] - 10**18),
}


def entered(eth: int, deaf: MoneyKind | None) -> BookedAccount:
    """A pair is held; `eth` lots of ETH."""
    account = BookedAccount(deaf)
    account.trade("eth", eth, PRICE, off=10**15, pieces=2)
    account.trade("sol", -10 if eth > 0 else 10, PRICE)
    account.seen()
    return account


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("eth", [42, -42])
@pytest.mark.parametrize("kind", HAPPENS)
def test_an_event_that_is_taken_away_is_the_residual_and_an_alarm(
    kind: MoneyKind, eth: int, restarted: bool
) -> None:
    told, untold = entered(eth, None), entered(eth, kind)
    for account in (told, untold):
        account.index = {"eth": 0, "sol": 0}
        HAPPENS[kind](account)
        if restarted:
            account.restart()
        if kind == "funding":  # by the index alone it is provisional: here not even that is told
            account.index = {"eth": 0, "sol": 0}
        account.seen()
        account.later()
        account.later()
    assert (told.alarms, told.stated().state, told.stated().residual) == ([], "exact", 0)
    money = untold.stated()
    assert untold.kept_back
    gaps = {0: money.residual_usdt0, 4: money.residual_eth, 8: money.residual_sol}
    assert {product: gap for product, gap in gaps.items() if gap} == untold.kept_back
    assert money.residual == sum(untold.kept_back.values())
    assert money.state == "unexplained"
    (alarm,) = untold.alarms
    assert alarm.code == UNEXPLAINED
    for product, amount in untold.kept_back.items():
        assert (
            f"{Quote(amount).text()} USD in"
            f" {'USDT0' if product == 0 else 'ETH-PERP' if product == 4 else 'SOL-PERP'}" in alarm.detail
        )
    assert "between " in alarm.detail
    assert "read: the account at" in alarm.detail


def test_money_that_the_archive_tells_late_is_provisional_and_no_alarm() -> None:
    account = entered(42, "deposit")
    account.move("deposit", int(Quote.of("25")))
    assert (account.seen().state, account.stated().residual) == ("provisional", Quote.of("25"))
    assert account.books.ask.due
    account.idx += 1
    account.read(
        MoneyEvent(
            "deposit",
            0,
            Quote.of("25"),
            account.idx,
            Ns(account.now_ms * 10**6),
            Base(0),
            Quote(account.balances[0]),
        )
    )
    assert (account.seen().state, account.stated().residual, account.stated().deposits) == (
        "exact",
        0,
        Quote.of("25"),
    )
    assert account.alarms == []


def test_funding_that_the_archive_has_not_told_is_known_by_the_index_named_and_bounded_in_time() -> None:
    account = entered(42, "funding")
    account.fund("eth", 10**17)
    money = account.seen()
    assert (money.funding_provisional, money.funding, money.state) == (
        Quote.of("-0.0042"),
        Quote.of("-0.0042"),
        "provisional",
    )
    assert money.residual == 0
    assert "not told by the archive: -0.0042 USD of ETH-PERP by the funding index" in money.words
    account.later(60_000)
    assert account.alarms == []
    account.later(61_000)
    assert [alarm.code for alarm in account.alarms] == ["FUNDING_NOT_TOLD"]


def test_an_archive_that_does_not_answer_leaves_no_gap_without_an_alarm_for_longer_than_a_minute() -> None:
    account = entered(42, "deposit")
    account.move("deposit", int(Quote.of("25")))
    account.seen()
    account.now_ms += SILENT_MS - 2
    account.seen()
    assert account.alarms == []
    account.seen()
    assert [alarm.code for alarm in account.alarms] == [UNEXPLAINED]


@pytest.mark.parametrize("amount", ["25", "-14"])
def test_no_deposit_and_no_withdrawal_changes_what_the_limits_judge(amount: str) -> None:
    """Neither before the archive has told it nor after; and NET stays what it was."""
    account = entered(42, None)
    before, net = account.books.adjusted(account.snapshot()), account.seen().net
    account.balances[0] += int(Quote.of(amount))
    assert account.books.adjusted(account.snapshot()) == before
    account.balances[0] -= int(Quote.of(amount))
    account.move("deposit" if amount == "25" else "withdrawal", int(Quote.of(amount)))
    assert account.books.adjusted(account.snapshot()) == before
    assert account.seen().net == net


def test_the_parts_of_the_market_are_told_apart() -> None:
    """ETH alone falls by 1 USD; then both rise by 10 % as a pair: what hedges comes to nothing, whole lots
    leave a tenth of the rest.
    """
    account = BookedAccount()
    account.trade("eth", 42, PRICE)
    fallen = PRICE | {"eth": PRICE["eth"] - ONE}
    account.trade("sol", -10, fallen)
    account.trade("eth", -42, {leg: price * 11 // 10 for leg, price in fallen.items()}, paired=True)
    money = account.books.terms
    assert money["adverse"] == Quote.of("-0.042")
    assert abs(money.get("hedge", 0)) < 10**10
    over = worth(int(Base.of("0.042")), fallen["eth"]) - worth(int(Base.of("1")), PRICE["sol"])
    assert abs(money["lots"] - over // 10) < 10**10
