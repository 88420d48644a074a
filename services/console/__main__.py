"""`python -m services.console`: the command line; a fleet starts each worker with it."""

from services.console.start import start

start()
