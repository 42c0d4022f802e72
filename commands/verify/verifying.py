"""One verification: the rows in order, and whatever else names them held against what they come to."""

from pathlib import Path

import msgspec

from commands.verify.certificates import CertificateFiles
from commands.verify.csv_lines import CsvFiles
from commands.verify.recompute import Audit
from commands.verify.rows import Chain

LEDGER = "ledger.sqlite"
CERTIFICATES = "certificates"


class VerifiedFiles(msgspec.Struct):
    """What was looked at and holds: files, rows and figures, counted."""

    ledger: str
    venue: str = ""
    subaccount: str = ""
    files: int = 0
    rows: int = 0
    last_row: str = ""
    """Number and hash of the last row, which name every byte before."""
    plans: int = 0
    cycles: int = 0
    csv_lines: int = 0
    csv_missing: int = 0
    certificates: int = 0
    certificates_missing: int = 0
    raw_messages: int = 0
    """Words of the exchange, and ours to it, that were held against the rows."""
    without_raw: int = 0
    """Certificates in which some of them are missing."""
    unjudged: int = 0
    """Orders, cycles and CSV lines whose price and fee rest on numbers that the exchange told wrongly."""


def verified(path: Path) -> VerifiedFiles:
    """Verify the ledger at `path`, a file or its folder, and the CSV files beside it. Raises
    `DoesNotHold` at the first thing that does not hold.
    """
    ledger = path / LEDGER if path.is_dir() else path
    with CsvFiles(ledger.parent) as csvs:
        return _verified(ledger, csvs)


def _verified(ledger: Path, csvs: CsvFiles) -> VerifiedFiles:
    chain = Chain(ledger)
    certificates = CertificateFiles(ledger.parent / CERTIFICATES)
    audit = Audit(csvs.closed, csvs.skipped, certificates.ended)
    found = VerifiedFiles(str(ledger), files=len(chain.files))
    for row in chain.rows():
        certificates.take(row)
        audit.take(row)
        found.rows += 1
        if found.rows == 1:
            found.venue, found.subaccount = audit.opened["venue"], audit.opened["subaccount"]
            csvs.named(found.venue)
    certificates.end()
    found.certificates, found.certificates_missing = certificates.holding, certificates.missing
    found.raw_messages, found.without_raw = certificates.raw, certificates.without_raw
    for file in csvs.both:
        file.end()
        found.csv_lines, found.csv_missing = found.csv_lines + file.lines, found.csv_missing + file.missing
        found.unjudged += file.unjudged
    found.plans, found.cycles = audit.plans, audit.cycles
    found.unjudged += audit.unjudged
    found.last_row = f"{chain.last.seq}:{chain.last.hash}" if chain.last else ""
    return found
