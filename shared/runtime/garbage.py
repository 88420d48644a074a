"""Keeps the collector of cyclic garbage out of the way of a worker's batches.

Reference counts free nearly everything that a batch makes, for little of it is in a cycle. The
collector would still walk through thousands of live rows several times a batch, and find nothing:
a quarter of a worker's CPU time, measured.
"""

import gc

YOUNG_OBJECTS_MAX = 100_000
"""From so many new containers on, those still alive are searched for cycles: some MB of memory."""


def keep_away() -> None:
    """Never search again what the start of a process has made, and the rest seldom. Call it once,
    when all is imported and nothing has been judged yet."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])
