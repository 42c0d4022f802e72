"""What was measured at 76ac2a0, on a quiet machine of 2 cores, before anything was made faster and before
these benches were there: by the same interval and the same hops. Units as the names say.
"""

COMMIT = "76ac2a0"
TICK_US = {
    "Evenkeel, ledger normal": (5_000, 11_500),
    "Evenkeel, ledger full": (6_000, 11_300),
    "SDK script": (4_450, 7_700),
    "nautilus_trader": (820, 1_500),
}
"""p50 and p99, cold."""
SKEW_US = {"Evenkeel, ledger normal": (35, 710), "SDK script": (1_210, None)}
HOPS_US = (219, 72, 85, 111, 282, 235, 381, 185, 301, 1_156, 437, 227, 540, 633)
"""p50, in the order of `benches/tick/hops.py`."""
PARTS_US = {"of the votes: the ledger's": 593, "of the votes: commit of the intent": 141}
"""The first of the two held the commit, too, and the writing of rows."""
COUNTS = {"task steps": 34, "event loop turns": 12, "observer calls": 13}
FRAMES_US = {"Evenkeel": (189, 660), "SDK with coincurve": (1_205, 2_571)}
"""p50, hot and cold."""
SIZING_US = {"1,000 USD": 65, "100,000 USD": 95, "1,000,000 USD": 525}
"""p50, hot."""
FLOOD_MESSAGES_A_CPU_SECOND = 1_750
COMMANDS_S = {
    "--help": 0.35,
    "status --json": 0.5,
    "run, until its first quote": 0.67,
    "import nautilus_trader.live.node": 1.3,
    "import nado_protocol.client (the SDK)": 2.0,
}
CYCLE_END_MS = 235
IDLE_PER_S = 129
TARGETS = {
    "tick": "p50 ≤ 3.0, p99 ≤ 5.0 ms",
    "hedge": "p50 ≤ 5 ms",
    "skew": "p50 ≤ 50, p99 ≤ 300 µs",
    "1,000 USD": "≤ 20 µs",
    "1,000,000 USD": "≤ 40 µs",
    "idle": "half",
    "cycle end": "shorter",
}
