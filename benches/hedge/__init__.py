"""From a fill's bytes on the account's stream to the bytes of the order that hedges it, on the real `run`, in
a process of its own against a simulated Nado in another.

A quote of ours rests in the ETH book (`execution.entry=maker-taker`) and is sold into, piece by piece. The
clock starts when the `send` returns by which the exchange hands the fill's frame to the account's stream, and
stops when the `send` returns by which the run hands over the order of SOL that hedges it. Both processes read
one clock: `perf_counter_ns` counts from the machine's start.

    filling_exchange   the exchange, in a process of its own, with a tap on its sockets as well
    reading            both taps' messages, as fills and their hedges
    hops               which part of the way takes how long
    bench              blocks in turns, and their figures
"""
