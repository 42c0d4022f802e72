"""`completion`: a script that completes commands and options, printed for the shell to read.

    bash    source <(python supervisor.py completion bash)
    zsh     eval "$(python supervisor.py completion zsh)"          after compinit
    fish    python supervisor.py completion fish | source

shtab writes it from the tree of parsers, for a program called `supervisor.py`. What is typed begins with
`python`, so each shell is also told to complete `python supervisor.py ...` as `supervisor.py ...`, and any
other use of `python` as before (in bash: file names).
"""

import argparse
import sys

from commands.config.keys import KEYS
from commands.config.options import FAULTS
from commands.config.units_text import Choice
from commands.drills.table import NAMES
from commands.output.words import DONE, INSTALL, ConfigError, say
from commands.parser import Override, parser_tree

PROGRAM = "supervisor.py"
PYTHON = {
    "bash": f"""
_evenkeel_python() {{
  if [[ $COMP_CWORD -ge 2 && ${{COMP_WORDS[1]##*/}} == {PROGRAM} ]]; then
    COMP_WORDS=("${{COMP_WORDS[@]:1}}")
    COMP_CWORD=$((COMP_CWORD - 1))
    _shtab_supervisor_py
  fi
}}
complete -o bashdefault -o default -F _evenkeel_python python python3
""",
    "zsh": f"""
_evenkeel_python() {{
  if (( CURRENT > 2 )) && [[ ${{words[2]:t}} == {PROGRAM} ]]; then
    words=("${{(@)words[2,-1]}}")
    (( CURRENT -= 1 ))
    _shtab_supervisor_py
  else
    _python
  fi
}}
compdef _evenkeel_python python python3
""",
    "fish": f"""
function _evenkeel_typed
  string match -q -r '(^|/){PROGRAM}$' -- (commandline -opc)[2]
end
function _evenkeel_completed
  complete -C (string replace -r '^\\S+\\s+\\S+' '{PROGRAM}' -- (commandline -cp))
end
complete -c python -n _evenkeel_typed -f -a '(_evenkeel_completed)'
complete -c python3 -n _evenkeel_typed -f -a '(_evenkeel_completed)'
""",
}
"""What each shell is told beside shtab's script."""


def main(typed: argparse.Namespace) -> int:
    """Print the script; the exit code. Raises `ConfigError` where shtab is not installed."""
    say(sys.stdout, script(typed.shell))
    return DONE


def script(shell: str) -> str:
    """The script for `bash`, `zsh` or `fish`, in that shell's own language."""
    try:
        import shtab
    except ModuleNotFoundError:
        # not one of begin's PACKAGES: nobody must be kept from closing a pair by what completes words
        raise ConfigError("MISSING_PACKAGE", None, "shtab is not installed", INSTALL) from None
    paths = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY, "DIR/NAME": shtab.FILE, "PATH": shtab.FILE}
    parsers = parser_tree()
    parsers.prog = PROGRAM
    for parser in parsers.commands.values():
        for action in parser._actions:
            path, words = paths.get(str(action.metavar)), _words(action)
            if path is not None:
                action.complete = path  # type: ignore[attr-defined]
            elif words:
                action.choices = words
    return f"{shtab.complete(parsers, shell)}\n{PYTHON[shell]}"


def _words(action: argparse.Action) -> tuple[str, ...]:
    """The few words that an option takes; () for any other."""
    kind = KEYS.get(action.key or "") if isinstance(action, Override) else None
    if kind is not None and issubclass(kind, Choice):
        return kind.words
    return {"faults": FAULTS, "names": NAMES}.get(action.dest, tuple(action.choices or ()))
