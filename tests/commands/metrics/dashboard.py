"""deploy/grafana/evenkeel.json: one dashboard for any number of runs.

python -m tests.commands.metrics.dashboard      writes it; a test fails while it has not been made anew
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = ROOT / "deploy" / "grafana" / "evenkeel.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
OF = 'subaccount=~"$subaccount",host=~"$host"'
WHO = "{{subaccount}} {{host}}"
PANELS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    # title, kind, unit, (expression, legend)
    ("Runs that are up", "stat", "short", ((f"sum(evenkeel_up{{{OF}}})", "up"),)),
    (
        "How each stands",
        "state-timeline",
        "short",
        ((f"evenkeel_stands{{{OF}}} == 1", f"{WHO} {{{{stands}}}}"),),
    ),
    (
        "Imbalance against the promise, bps",
        "timeseries",
        "short",
        (
            (f"evenkeel_filled_imbalance_bps{{{OF}}}", f"filled {WHO}"),
            (f"evenkeel_marked_imbalance_bps{{{OF}}}", f"marked {WHO}"),
            (f"evenkeel_promise_bps{{{OF}}}", f"promise {WHO}"),
        ),
    ),
    (
        "Unhedged, USD",
        "timeseries",
        "currencyUSD",
        ((f"evenkeel_unhedged_usd{{{OF}}}", WHO), (f"evenkeel_unhedged_worst_usd{{{OF}}}", f"worst {WHO}")),
    ),
    ("Net exposure, USD", "timeseries", "currencyUSD", ((f"evenkeel_exposure_usd{{{OF}}}", WHO),)),
    (
        "Cost by cause, USD",
        "timeseries",
        "currencyUSD",
        ((f"sum by (cause, subaccount, host) (evenkeel_cost_usd{{{OF}}})", f"{{{{cause}}}} {WHO}"),),
    ),
    (
        "Cost per 1M traded, USD",
        "timeseries",
        "currencyUSD",
        ((f"evenkeel_cost_per_million_usd{{{OF}}}", WHO),),
    ),
    (
        "Result and residual, USD",
        "timeseries",
        "currencyUSD",
        ((f"evenkeel_net_usd{{{OF}}}", f"net {WHO}"), (f"evenkeel_residual_usd{{{OF}}}", f"residual {WHO}")),
    ),
    (
        "Traded per hour, USD",
        "timeseries",
        "currencyUSD",
        ((f"3600 * rate(evenkeel_traded_usd_total{{{OF}}}[5m])", WHO),),
    ),
    (
        "Cycles per hour",
        "timeseries",
        "short",
        ((f"3600 * rate(evenkeel_cycles_total{{{OF}}}[5m])", f"{{{{ending}}}} {WHO}"),),
    ),
    (
        "Answers and refusals per minute",
        "timeseries",
        "short",
        (
            (f"60 * sum by (kind) (rate(evenkeel_order_answers_total{{{OF}}}[5m]))", "{{kind}}"),
            (f"60 * sum by (code) (rate(evenkeel_rejects_total{{{OF}}}[5m]))", "refused {{code}}"),
        ),
    ),
    (
        "Steps of a plan, 99 %",
        "timeseries",
        "s",
        (
            (
                f"histogram_quantile(0.99, sum by (step, le) (rate("
                f"evenkeel_step_seconds_bucket{{{OF}}}[5m])))",
                "{{step}}",
            ),
        ),
    ),
    ("Age of the books", "timeseries", "s", ((f"evenkeel_quote_age_seconds{{{OF}}}", f"{{{{leg}}}} {WHO}"),)),
    ("Spread, bps", "timeseries", "short", ((f"evenkeel_spread_bps{{{OF}}}", f"{{{{leg}}}} {WHO}"),)),
    (
        "Rate limits used",
        "timeseries",
        "percentunit",
        (
            (
                f"evenkeel_weight_spent{{{OF}}} / evenkeel_weight_allowed{{{OF}}}",
                f"{{{{limit}}}} {{{{window}}}} {WHO}",
            ),
        ),
    ),
    ("Mailboxes", "timeseries", "short", ((f"evenkeel_queue_depth{{{OF}}}", f"{{{{queue}}}} {WHO}"),)),
    (
        "Restarts of actors",
        "timeseries",
        "short",
        ((f"increase(evenkeel_actor_restarts_total{{{OF}}}[10m])", f"{{{{actor}}}} {WHO}"),),
    ),
    (
        "Orders that rest",
        "timeseries",
        "short",
        (
            (f"evenkeel_resting_orders{{{OF}}}", f"resting {{{{leg}}}} {WHO}"),
            (f"evenkeel_resting_overdue_seconds{{{OF}}}", f"seconds overdue {{{{leg}}}} {WHO}"),
        ),
    ),
    (
        "Quotes, cancellations and maker fills per minute",
        "timeseries",
        "short",
        tuple(
            (f"60 * sum by (leg) (rate(evenkeel_{name}_total{{{OF}}}[5m]))", f"{words} {{{{leg}}}}")
            for name, words in (("quotes_placed", "quotes"), ("cancels", "cancels"), ("maker_fills", "fills"))
        ),
    ),
    ("Ledger", "timeseries", "bytes", ((f"evenkeel_ledger_bytes{{{OF}}}", WHO),)),
    ("Ledger lag, messages", "timeseries", "short", ((f"evenkeel_ledger_lag_messages{{{OF}}}", WHO),)),
    ("Account value, USD", "timeseries", "currencyUSD", ((f"evenkeel_account_value_usd{{{OF}}}", WHO),)),
)


def dashboard() -> dict[str, Any]:
    """The whole file."""
    panels = [
        {
            "id": number + 1,
            "title": title,
            "type": kind,
            "datasource": SOURCE,
            "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "targets": [
                {"refId": chr(65 + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
                for index, (expression, legend) in enumerate(targets)
            ],
        }
        for number, (title, kind, unit, targets) in enumerate(PANELS)
    ]
    return {
        "title": "Evenkeel",
        "uid": "evenkeel",
        "schemaVersion": 39,
        "tags": ["evenkeel"],
        "timezone": "utc",
        "refresh": "5s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus"},
                *(
                    {
                        "name": label,
                        "type": "query",
                        "datasource": SOURCE,
                        "query": f"label_values(evenkeel_up, {label})",
                        "multi": True,
                        "includeAll": True,
                        "current": {"text": "All", "value": "$__all"},
                        "refresh": 2,
                    }
                    for label in ("subaccount", "host")
                ),
            ]
        },
        "panels": panels,
    }


def board_text() -> str:
    """As it stands in the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(board_text(), encoding="utf-8")
