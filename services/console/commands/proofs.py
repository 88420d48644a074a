"""For auditors: `verify` recomputes the whole ledger, `seal` hashes it."""

import json
from contextlib import ExitStack
from hashlib import file_digest
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import click

from services.console.finding import ask, data_option, expect_whole, find, json_option
from services.console.output import OUTPUT, whole
from services.console.problems import Misconfigured, Problem
from shared.ledger.sentences import counted
from shared.operator.printing import Counter, print_json, progress

if TYPE_CHECKING:
    from shared.ledger.audit.seal import Seal


HEADS = "the last line of each customer's chain; the seal holds this file's SHA-256"


@click.command()
@click.option(
    "--seal",
    "sealed",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="A seal stored elsewhere: verify that nothing it covers has changed since.",
)
@click.option(
    "--heads",
    type=click.File("rb"),
    metavar="FILE",
    help=f"What `seal --heads` wrote with that seal ({HEADS}): names the changed customer.",
)
@data_option
@json_option
def verify(
    sealed: IO[str] | None, heads: IO[bytes] | None, data: Path | None, as_json: bool
) -> None:
    """Recompute every line of the ledger from the commands and policies in the book.

    Checks posting periods, coverage, prices, amounts, discount and VAT, the cascade, the hash
    chain, each command's outcome and its lines, and the last seal. Where something is wrong it
    names the first broken line and what was expected there, with exit code 1.
    """
    from shared.operator.verify import verify as verified

    kept, listing = _kept(sealed, heads)
    servers = find(data)
    counter = Counter("lines verified")
    found = ask(
        servers,
        lambda connection: verified(
            connection, servers.database, counter, kept, listing.take if listing else None
        ),
        words=None,
    )
    counter.done()
    named = listing.difference() if listing and found.seal else None
    lines, customers, fault, broken = found
    if as_json:
        print_json(
            {
                "lines": lines,
                "customers": customers,
                "fault": None if fault is None else fault._asdict(),
                "seal": named or broken,
            }
        )
    if fault is not None and named is None:
        raise Problem(f"after {counted(lines, 'line')} without a fault: {fault}")
    if broken is not None:
        raise Problem(f"{broken}; {named}" if named else broken)
    if not as_json:
        click.echo(f"all is right: {counted(lines, 'line')} of {counted(customers, 'customer')}")
        if kept is not None:
            click.echo(f"seal {kept.number}, kept elsewhere: nothing that it covers has changed")


def _kept(sealed: IO[str] | None, heads: IO[bytes] | None) -> "tuple[Seal | None, Heads | None]":
    """Read the stored seal, and the listing that goes with it."""
    from shared.ledger.audit.seal import NoSeal, read_seal

    if sealed is None:
        if heads is not None:
            raise click.UsageError("--heads goes with --seal")
        return None, None
    try:
        kept = read_seal(sealed.read())
    except (NoSeal, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{sealed.name} is not a seal: give a file that `rollforward seal --out` wrote"
        ) from error
    except ValueError as error:
        raise Problem(f"{sealed.name}: {error}") from error
    if heads is None:
        return kept, None
    listing = Heads(heads)
    if listing.root != kept.heads_root:
        raise Problem(f"{heads.name} is not the listing of seal {kept.number}")
    return kept, listing


class Heads:
    """A stored listing of heads, to compare with the one of the book now."""

    def __init__(self, file: IO[bytes]) -> None:
        self._kept = file
        self._found = TemporaryFile()  # noqa: SIM115, it goes with this value
        self.root = file_digest(file, "sha256").digest()  # type: ignore[arg-type]

    def take(self, data: bytes) -> None:
        self._found.write(data)

    def difference(self) -> str | None:
        """Name the first customer whose row is gone, new or another."""
        self._kept.seek(0)
        self._found.seek(0)
        for kept, found in zip_longest(self._kept, self._found, fillvalue=b"-"):
            if kept != found:
                was, now = kept.decode().strip(), found.decode().strip()
                return f"first of these: {now}, expected {was}"
        return None


@click.command()
@click.option(
    "--out",
    type=OUTPUT,
    default="-",
    metavar="FILE",
    help="Write the seal to FILE instead of stdout.",
)
@click.option("--heads", type=OUTPUT, metavar="FILE", help=f"Also write {HEADS}.")
@data_option
def seal(out: Path, heads: Path | None, data: Path | None) -> None:
    """Seal the book: one hash over every line, outcome and policy version so far.

    The seal is appended to the book and printed as JSON. Store it where nobody with access to the
    database can change it: on paper, signed, with someone else. The coordinator makes one a day.
    A book that stands still after a restore is not sealed: exit code 1.
    """
    from shared.ledger.audit.seal import as_json
    from shared.ledger.postgres import sealing

    servers = find(data)
    expect_whole(servers)
    with ExitStack() as files:
        sealed = files.enter_context(whole(out))
        write = files.enter_context(whole(heads)).write if heads else None
        made = ask(servers, lambda connection: sealing.seal(connection, write), words="sealing")
        sealed.write((json.dumps(as_json(made), indent=2) + "\n").encode())
    if str(out) != "-":
        progress(f"seal {made.number} is in {out}" + (f", its heads in {heads}" if heads else ""))
