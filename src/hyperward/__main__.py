"""`python -m hyperward` is the command line."""

from hyperward.cli.main import main

main()
