"""`python -m services.console`: the command line; a fleet starts each worker with it."""

from services.console.main import main

main(prog_name="rollforward")
