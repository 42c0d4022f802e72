"""What Evenkeel's speed is measured with: `python -m benches --list`. What was measured is in
`benches/results/`, and `docs/performance.md` is made from it.
"""
