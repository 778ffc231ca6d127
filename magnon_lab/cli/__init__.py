"""Commands of Magnon Lab: clients of the run file, the bench and the procedures.

Heavy packages are imported inside the commands, so that `--help` opens in a blink.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with the code that tells how it went."""
    os.environ.setdefault("QT_API", "pyqt6")
    from magnon_lab.cli.app import app
    from magnon_lab.stderr import let_nothing_wait_for_stderr

    let_nothing_wait_for_stderr()
    sys.exit(app())
