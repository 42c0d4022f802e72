"""`record`: an exchange's market written to disk for replaying."""
