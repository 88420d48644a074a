"""`python -m services.console`: what a fleet runs for each worker."""

from services.console.main import main

main(prog_name="rollforward")
