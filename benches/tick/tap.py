"""What passes through the sockets of this process, with the time at which each call returned. Standard
library only: the same tap is in a run of Evenkeel, in an older checkout of it, and in an asyncio script.

`install` must come before trio is imported, which keeps a reference to `socket.socket.recv` and `send`.
Nothing is decoded here: `reading.py` does that after the run, so that a call costs half a microsecond
more.
"""

import marshal
import os
import socket
import time
from pathlib import Path
from typing import Any

Call = tuple[int, int, bool, bytes]
"""`perf_counter_ns` after the call, file descriptor, was it a send?, the bytes that passed."""
CALLS: list[Call] = []


def install(path: Path) -> None:
    """Begin. The calls are written to `path` when this process ends by `os._exit`, as a run does."""
    now_ns, receive, send, leave = time.perf_counter_ns, socket.socket.recv, socket.socket.send, os._exit

    def recv(self: socket.socket, *given: Any) -> bytes:
        data = receive(self, *given)
        CALLS.append((now_ns(), self.fileno(), False, data))
        return data

    def tapped_send(self: socket.socket, data: Any, *flags: int) -> int:
        count = send(self, data, *flags)
        at_ns = now_ns()
        CALLS.append((at_ns, self.fileno(), True, bytes(data[:count])))
        return count

    def written(code: int) -> Any:
        path.write_bytes(marshal.dumps(CALLS))
        leave(code)

    socket.socket.recv = recv  # type: ignore[method-assign]
    socket.socket.send = tapped_send  # type: ignore[method-assign]
    os._exit = written
