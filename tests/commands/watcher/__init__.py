"""The process beside a run."""
