"""The table of docs/metrics.md: every metric as `/metrics` tells it of the samples.

python -m tests.commands.metrics.page      writes it; a test fails while it has not been made anew
"""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.commands.metrics.dashboard import ROOT

PAGE = ROOT / "docs" / "metrics.md"
BEGINS, ENDS = "<!-- metrics -->\n", "<!-- /metrics -->\n"


def metric_rows(text: str) -> str:
    """Rows of name, labels but for the two of each, type and help."""
    rows = ["| metric | labels | type | |", "|---|---|---|---|"]
    for family in text_string_to_metric_families(text):
        if not family.samples:
            continue
        own = {"subaccount", "host", "le"}
        labels = sorted({label for sample in family.samples for label in sample.labels} - own)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(f"| `{name}` | {', '.join(labels)} | {family.type} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def page_with(rows: str, path: Path = PAGE) -> str:
    """The page with these rows between its marks."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGINS)
    return f"{before}{BEGINS}{rows}{ENDS}{rest.partition(ENDS)[2]}"


async def metrics_rows() -> str:
    """What the samples tell."""
    from tests.commands.metrics.test_metrics import every_metric

    return metric_rows(await every_metric())


if __name__ == "__main__":
    import trio

    PAGE.write_text(page_with(trio.run(metrics_rows)), encoding="utf-8")
