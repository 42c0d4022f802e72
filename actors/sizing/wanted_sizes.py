"""Which pair of quantities a configuration asks for at two books, by one venue's rules: what sizing, the
command `plan` and the advice that is given at a start all ask.
"""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from actors.risk.drawn_values import target_of
from actors.risk.funding import Side, side_for_funding
from actors.sizing.attainability import Attainability, attainable
from actors.sizing.last_cycle import cycle_price, last_target
from actors.sizing.lattice import HedgeAccuracy, Search, SizingRequest, TakenSide, possible_near
from messages.lifecycle import Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Verdict
from messages.units import ONE, Bps, Ms, Quote, legs_of
from venue.protocol import VenueRules

NEAR = Bps(100 * ONE)
"""How far prices may move for a target that cannot be entered at those of now to be worth waiting for."""


class WantedSizes(msgspec.Struct, frozen=True, dict=True):
    """For one configuration and one venue's rules. `dict` is for what follows from them and is worked out
    once.
    """

    settings: Settings
    rules: VenueRules
    seed: int = 0
    """Of the run: what is drawn for a cycle is drawn from it."""

    @cached_property
    def accuracy(self) -> HedgeAccuracy:
        """What the settings ask of a pair, for every request of this configuration."""
        settings = self.settings
        return HedgeAccuracy(
            settings.max_imbalance, settings.planning_margin, settings.max_deviation, settings.hedge_ratio
        )

    @cached_property
    def request(self) -> SizingRequest:
        """What the search is asked for the configured target. Raises `Incomplete`."""
        return self._request(self.settings.target)

    @cached_property
    def _requests(self) -> dict[Quote, SizingRequest]:
        """That of the cycle whose target is another one."""
        return {}

    def _request(self, target: Quote) -> SizingRequest:
        terms = self.rules.terms()
        return SizingRequest.of(target, (terms.eth.min_notional, terms.sol.min_notional), self.accuracy)

    def side(self, held: Held, quote: PairQuote, cycle: int, now_ms: Ms) -> Side:
        """The side that a cycle takes at these books, and why. Raises `Incomplete`."""
        if self.settings.direction != "funding":
            return Side(self.sign(cycle), "", "")
        target = target_of(self.settings, self.seed, cycle)
        ratio = self.settings.hedge_ratio
        round_trip = Quote(sum(cycle_price(target, ratio, self.rules.terms(), quote)))
        last, otherwise = held.direction, self.sign(cycle)
        return side_for_funding(quote, last, otherwise, legs_of(target, ratio), round_trip, now_ms)

    def sign(self, cycle: int) -> int:
        """+1 for a cycle that is long ETH and short SOL, -1 for the mirror; where funding decides, what it is
        while that says nothing.
        """
        if self.settings.direction in {"alternate", "funding"}:
            return 1 if cycle % 2 else -1
        return 1 if self.settings.direction == "long-eth" else -1

    def signs(self, cycle: int) -> tuple[int, ...]:
        """The directions that are traded from `cycle` on, its own first."""
        both = self.settings.direction in {"alternate", "funding"}
        return (self.sign(cycle), -self.sign(cycle)) if both else (self.sign(cycle),)

    def size(self, quote: PairQuote, sign: int, target: Quote) -> Verdict:
        """The lattice's verdict for `target` USD per leg on the sides that an entry in this direction
        takes. Raises `Incomplete`.
        """
        request = self.request if target == self.settings.target else self._request(target)
        search = Search(request, *self.sides(quote, sign))
        return search.answer(search.judged())

    def attainable(
        self, quote: PairQuote, signs: Sequence[int], lowest: Quote | None = None
    ) -> Attainability:
        """Can the target be traded in all of these directions, and which can? Bounds are looked for from
        `lowest`, or the target, on.

        Raises `Incomplete`.
        """
        directions = [self.sides(quote, sign) for sign in signs]
        return attainable(self.settings.target, directions, self.accuracy, lowest)

    def sides(self, quote: PairQuote, sign: int) -> tuple[TakenSide, TakenSide]:
        """The sides of both books that an entry with this sign takes from. Raises `Incomplete`."""
        terms = self.rules.terms()
        eth = TakenSide(quote.eth.side(sign), terms.eth.size_step, terms.eth.min_notional)
        return eth, TakenSide(quote.sol.side(-sign), terms.sol.size_step, terms.sol.min_notional)

    def chosen(self, quote: PairQuote, sign: int, verdict: Verdict) -> Verdict | None:
        """The verdict to trade on under `when_unbalanced`; None = skip."""
        unbalanced = self.settings.when_unbalanced
        if verdict.kind == "met":
            return verdict
        if (
            unbalanced.action == "accept"
            and verdict.kind == "best_effort"
            and verdict.imbalance <= unbalanced.accept
        ):
            return verdict
        raised = verdict.smallest_target
        if (
            unbalanced.action == "raise"
            and raised is not None
            and raised * ONE <= self.settings.target * unbalanced.raise_by
        ):
            larger = self.size(quote, sign, raised)
            return larger if larger.kind == "met" else None
        return None

    def possible(self, quote: PairQuote, cycle: int) -> bool:
        """Could this target be entered at prices within `NEAR` of these, by the venue's lots and minimums?
        Whatever the depth of the books.
        """
        settings, chosen = self.settings, self.settings.when_unbalanced
        promise = Bps(max(settings.max_imbalance, chosen.accept))
        largest = Quote(settings.target * max(ONE, chosen.raise_by) // ONE)
        sides = self.sides(quote, self.sign(cycle))
        accuracy = self.accuracy._replace(max_imbalance=promise)
        return possible_near(settings.target, largest, sides, accuracy, NEAR)

    def search(self, held: Held, quote: PairQuote, cycle: int, sign: int) -> Search:
        """The search for this cycle's quantities, on the sides that an entry with this sign takes. Raises
        `Incomplete`.
        """
        return Search(self._wanted(held, quote, cycle, sign), *self.sides(quote, sign))

    def _wanted(self, held: Held, quote: PairQuote, cycle: int, sign: int) -> SizingRequest:
        """What the search is asked for: this cycle's target, or what is left of a goal where that is less and
        can be balanced; else the smallest target above it that can. Raises `Incomplete`.
        """
        whole = target_of(self.settings, self.seed, cycle)
        left = last_target(whole, self.settings, held, self.rules, quote)
        found = None if left is None else self.size(quote, sign, left).smallest_target
        target = whole if found is None else min(found, whole)
        if target == self.settings.target:
            return self.request
        # asked again at every quote of one cycle
        if target not in self._requests:
            self._requests.clear()
            self._requests[target] = self._request(target)
        return self._requests[target]
