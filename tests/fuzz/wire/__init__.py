"""Bytes that nobody should trust, by the million, against what makes and keeps a connection: the real
`open_socket`, `subscribed` and `HttpReads`.

transcripts   what our own simulated venue said in one run, recorded byte for byte: the only thing there is to
              begin with
heads         hostile changes to a status line and headers, by structure
frames        the same to WebSocket frames and what is in them
bodies        the same to an HTTP answer's framing, compression and JSON
script        an in-memory far side that says exactly so many bytes, and then ends, breaks off or falls silent
targets       what reads what, and how far an input came
run           one input after the other on virtual time, with a limit on memory and on the processor

An input may end in two ways: the connection is usable, or somebody raises a `VenueError`. Anything else is a
find, with the command that repeats it.

python -m tests.fuzz --wire --inputs 1000000 --seed 1
"""
