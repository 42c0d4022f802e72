"""From the bytes of a quote to two orders handed to their sockets, on the real `run`, in a process of its own
against a simulated Nado in another.

The clock starts when the `recv` returns that completes the `book_depth` frame which makes an entry possible,
and stops when the `send` returns that hands over the last byte of the second order. One entry every 480 ms:
*cold*, as a bot trades. Everything is on: TLS apart, that is all that a live run does in between.

    block            one run of one contestant: the processes, started, watched and judged
    gated_exchange   the exchange, in a process of its own
    client, tap      the run, in a process of its own, with a tap on its sockets
    reading          the tap's bytes, read back as WebSocket messages; nothing is decoded while timed
    seams, hops      public functions on the way, timed in blocks of their own
"""
