"""Being watched. Actors tell the log and the screen what they do; nobody waits for a watcher, and a
watcher cannot answer.
"""

from collections.abc import Callable

import msgspec

Observe = Callable[[msgspec.Struct], None]
"""Called with messages (`Hop`, `Note`, `Sealed`, `Fill`, ...). Must return at once and never raise (lesson
R11).
"""
