"""`replay --sweep`: many replays, parameters times markets times seeds, on this machine's cores or on a Dask
cluster, as one table.
"""
