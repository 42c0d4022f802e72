"""Why a connection failed, as the layer below knew it: libraries wrap an error until its text is empty."""

import re


def reason(error: BaseException) -> str:
    """The first words along the chain of causes, e.g. `certificate verify failed`, without the system's
    number before them; the error's own name when nobody has any.
    """
    at: BaseException | None = error
    while at is not None:
        if str(at):
            return re.sub(r"^\[Errno -?\d+\] ", "", str(at))
        at = at.__cause__ or at.__context__
    return type(error).__name__
