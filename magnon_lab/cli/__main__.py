"""`python -m magnon_lab.cli` is `magnon-lab`."""

from magnon_lab.cli import main

main()
