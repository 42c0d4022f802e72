"""`verify`: everything that a ledger says, recomputed by a code path that shares nothing with what wrote it.

rows.py         the chain, from the bytes of the files        orders.py     one order, as its rows tell it
recompute.py    plans, positions and cycles out of the rows   costs.py      what a cycle cost, by cause
csv_lines.py    the CSV files, line by line                   findings.py   what does not hold
certificates.py a cycle's certificate, and the exchange's own messages in it
verifying.py    all of it, row by row                         command.py    the command
rebuild.py      certificates that are missing, made again
"""
