"""Words of a failure for everybody who reads a tenant's pages: without paths of the server's file system. Pure."""

import re
from typing import Final

LEFT_OUT: Final = "[path]"
"""What stands for a path; the log of the process that failed has it in full."""

_PATH: Final = re.compile(
    r"""
    (?P<quote>['"`]) (?: / | [A-Za-z]:\\ | \\\\ ) [^'"`\n]* (?P=quote)    # in quotes, where it may hold spaces
    | file:// [^\s'"]+
    | (?<! [\w:/.@%+~-] ) (?: ~? / (?! v\d+/ ) [\w.@%+~-] | [A-Za-z]:\\ | \\\\ ) [^\s'",;:()<>]*
    """,
    re.VERBOSE,
)


def pathless(text: str) -> str:
    """The text with each absolute path left out; addresses of services and operations of the API stay."""
    return _PATH.sub(LEFT_OUT, text)
