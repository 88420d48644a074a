"""`python -m services.console`: what the supervisor calls for its workers."""

from services.console.main import main

main(prog_name="rollforward")
