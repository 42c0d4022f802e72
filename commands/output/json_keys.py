"""The keys of the `--json` objects, in order. Keys are added, never renamed. Standard library only, and it
parses on every Python 3: an interpreter that Evenkeel cannot run on must still be told so in the object that
was promised.
"""

from typing import Tuple

RUN = (
    *(
        "schema",
        "ok",
        "exit_code",
        "ended_by",
        "error",
        "cycles",
        "completed",
        "skipped",
        "failed",
        "fill_rate",
    ),
    *(
        "filled_imbalance_max_bps",
        "filled_imbalance_median_bps",
        "exit_imbalance_max_bps",
        "orders_sent",
        "orders_resolved",
        "restarts",
    ),
    *(
        "open_eth",
        "open_sol",
        "pnl_usd",
        "fees_usd",
        "spread_usd",
        "funding_usd",
        "traded_usd",
        "unhedged_worst_usd",
        "unhedged_usd_s",
    ),
    *(
        "halted",
        "halt_code",
        "seed",
        "ledger",
        "venue",
        "subaccount",
        "elapsed_ms",
        "target_usd",
        "staged",
        "skips",
    ),
    *("entered", "together", "unfinished", "adopted"),
    *(
        "spread_planned_usd",
        "slippage_usd",
        "adverse_usd",
        "hedge_usd",
        "lots_usd",
        "liquidation_usd",
        "deposits_usd",
        "withdrawals_usd",
    ),
    *(
        "transfers_usd",
        "isolated_usd",
        "settlements_usd",
        "settled_usd",
        "third_party_usd",
        "interest_usd",
        "other_usd",
        "funding_provisional_usd",
    ),
    *(
        "balance_usd",
        "balance_change_usd",
        "value_change_usd",
        "residual_usd",
        "residual_usdt0_usd",
        "residual_eth_usd",
        "residual_sol_usd",
    ),
    *("money_state", "money_detail", "cycles_money"),
    *("ended_code", "goals", "hedge_ratio", "exits", "resting"),
)
"""Of `run` and the demo."""
REPLAY = (*RUN, "market", "began_at", "ticks", "last_row", "sweep")
"""Of `replay`: a run's, and the ledger's last row, whose hash names every row before it."""
ACCOUNT = (
    *(
        "schema",
        "ok",
        "exit_code",
        "ended_by",
        "error",
        "venue",
        "subaccount",
        "address",
        "signer",
        "seed",
        "run_pid",
        "run_logs",
        "epoch",
    ),
    *(
        "halted",
        "halt_code",
        "halt_detail",
        "open",
        "open_eth",
        "open_sol",
        "not_ours",
        "checked_at",
        "rounds",
        "doing",
        "progress",
        "verified_through",
        "bad_row",
        "funding",
    ),
)
"""Of the commands that act on an account."""
PLAN = (
    *("target_usd", "max_imbalance_bps", "planning_goal_bps", "source", "assumed"),
    *("eth_bid", "eth_ask", "sol_bid", "sol_ask", "eth_taker_fee", "sol_taker_fee", "free_margin_usd"),
    *(
        "directions",
        "smallest_target_usd",
        "smallest_reason",
        "always_from_usd",
        "always_reason",
        "sweep",
        "hedge_ratio",
        "eth_funding_rate",
        "sol_funding_rate",
    ),
)
VERIFY = (
    *("ledger", "files", "rows", "last_row", "plans", "cycles"),
    *("csv_lines", "csv_missing", "unjudged", "wrong_at", "wrong_field"),
    *("certificates", "certificates_missing", "certificates_made", "raw_messages", "without_raw"),
)
BACKUP = ("ledger", "copy", "rows", "last_row", "open", "copies", "removed")
RESTORE = ("copy", "rows", "last_row")
"""What the object of `restore` has beside `ACCOUNT`."""
ALERT = ("channels",)
"""What the object of `alert` has beside `SHARED`."""
REPORT = ("since", "files", "accounts")
"""docs/report.md has the keys of an account."""
SHARED = ("schema", "ok", "exit_code", "ended_by", "error", "venue", "subaccount", "seed")
"""Those that the object of every command has."""
ACCOUNT_COMMANDS = ("status", "flatten", "halt", "clear-halt", "link-signer", "restore")
PLAY_COMMANDS = (
    *("simulate", "replay", "record", "drill", "plan", "report", "verify", "completion", "watcher", "alert"),
    "backup",
)
"""Commands that have no account: what is open is not theirs to say."""
OTHER_COMMANDS = ("doctor", "guard", *PLAY_COMMANDS)
"""With `run` and those of an account: every command there is. `commands/parser.py` has their options; they
are named here as well because that file cannot be imported on an old Python.
"""


def schema_of(command: str) -> str:
    """`evenkeel.run/1` for a word that is no other command."""
    return "evenkeel." + (command if command in ACCOUNT_COMMANDS + OTHER_COMMANDS else "run") + "/1"


BESIDE = {"alert": ALERT, "backup": BACKUP, "plan": PLAN, "verify": VERIFY, "report": REPORT}
"""What the objects of these commands have beside `SHARED`."""


def keys_of(command: str) -> Tuple[str, ...]:
    """The keys that the `--json` object of `command` has on every exit code, in order."""
    if command in ACCOUNT_COMMANDS:
        return ACCOUNT + (RESTORE if command == "restore" else ())
    if command == "replay":
        return REPLAY
    return SHARED + BESIDE.get(command, ()) if command in OTHER_COMMANDS else RUN
