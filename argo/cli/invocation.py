"""How this command is called again, for the commands that a message suggests."""

import shutil
import sys
from pathlib import Path


def textgen_command() -> str:
    """`textgen`, or the path it was called by where PATH leads to none or to another one."""
    called = Path(sys.argv[0])
    found = shutil.which("textgen")
    elsewhere = called.name == "textgen" and (not found or not called.exists() or not called.samefile(found))
    return sys.argv[0] if elsewhere else "textgen"
