#!/usr/bin/env python3
"""Checks an export of Rollforward's ledger with nothing of Rollforward: Python 3.10 or newer alone.

    rollforward export --format audit --output ledger.csv
    python3 verify_export.py ledger.csv [heads.csv seal.json]

Each line's hash is SHA-256 of the hash before it (32 zero bytes for a customer's first line) and
of its own fields but the hash, joined by line feeds, as they stand in the file. See AUDIT.md.
With heads.csv and seal.json (`rollforward seal --heads heads.csv --out seal.json`) also checks that
each customer's line that was sealed is still the same.
Exit codes: 0 all is right, 1 the first broken line is printed with what was expected there, 2 wrong
usage.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

csv.field_size_limit(sys.maxsize)


def check(path, heads):
    """Check every line; return how many there are and the last hash of each customer in `heads`."""
    customer, seq, previous, periods, count = None, 0, bytes(32), {}, 0
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        at = names.index("hash")
        for fields in rows:
            line = dict(zip(names, fields, strict=True))
            if line["customer_id"] != customer:
                customer, seq, previous, periods = line["customer_id"], 0, bytes(32), {}
            seq, count = seq + 1, count + 1
            form = "\n".join(fields[:at] + fields[at + 1 :]).encode()
            digest = hashlib.sha256(previous + form).digest()
            amount = {
                name: int(line[name])
                for name in ("previous_due", "charge", "discount", "vat", "paid", "due")
            }
            due = (
                amount["previous_due"]
                + amount["charge"]
                - amount["discount"]
                + amount["vat"]
                - amount["paid"]
            )
            earlier = [label for label in periods if label < line["period"]]
            before = periods[max(earlier)] if earlier else None
            for what, found, expected in (
                ("seq", int(line["seq"]), seq),
                ("hash", line["hash"], digest.hex()),
                ("due", amount["due"], due),
                (
                    "previous_due",
                    amount["previous_due"],
                    before["due"] if before else amount["previous_due"],
                ),
                (
                    "coverage_from",
                    line["coverage_from"],
                    before["to"] if before else line["coverage_from"],
                ),
            ):
                if found != expected:
                    sys.exit(
                        f"customer {customer}, line {line['seq']}: {what} is {found},"
                        f" expected {expected}"
                    )
            periods[line["period"]] = {"due": amount["due"], "to": line["coverage_to"]}
            previous = digest
            if heads.get(customer, (None,))[0] == seq:
                heads[customer] = (seq, heads[customer][1], line["hash"])
    return count


def sealed(heads_path, seal_path):
    """Return {customer: (seq, hash)} of a listing of heads, once the seal vouches for it."""
    seal = json.loads(Path(seal_path).read_text("utf-8"))
    fields = [str(value) for value in list(seal.values())[:-2]]
    own = hashlib.sha256(bytes.fromhex(seal["previous"]) + "\n".join(fields).encode())
    if own.hexdigest() != seal["hash"]:
        sys.exit("the seal was changed: its hash does not fit its fields")
    listing = Path(heads_path).read_bytes()
    if hashlib.sha256(listing).hexdigest() != seal["heads_root"]:
        sys.exit(f"{heads_path} is not the listing of this seal")
    rows = csv.reader(listing.decode().splitlines())
    return {row[0]: (int(row[1]), row[2]) for row in rows if row[0] and row[1]}


def counted(count, one):
    return f"{count} {one}" + "s" * (count != 1)


def main(arguments):
    if "-h" in arguments or "--help" in arguments:
        print(__doc__)
        return
    if len(arguments) not in (1, 3):
        print("usage: verify_export.py ledger.csv [heads.csv seal.json]", file=sys.stderr)
        sys.exit(2)
    heads = sealed(*arguments[1:]) if len(arguments) == 3 else {}
    lines = check(arguments[0], heads)
    for customer, (seq, expected, *found) in heads.items():
        if found != [expected]:
            sys.exit(
                f"customer {customer}, line {seq}: hash is {found or 'missing'},"
                f" expected {expected}, as it was sealed"
            )
    ends = f", {counted(len(heads), 'head')} as they were sealed" if heads else ""
    print(f"all is right: {counted(lines, 'line')}{ends}")


if __name__ == "__main__":
    main(sys.argv[1:])
