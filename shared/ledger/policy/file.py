"""The policy file (docs/policy.md): TOML text in, a `Policy` out, or every fault with its line.

The book keeps the text itself and reads it again, so it must always give the same `Policy`.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from shared.ledger.errors import PolicyError
from shared.ledger.money import PPM, minor, parts_per_million
from shared.ledger.policy.policy import GRACE_DAYS, PERMISSIONS, Policy, Seller, Staff, Tax
from shared.ledger.policy.prices import Price, PriceList
from shared.ledger.policy.toml_lines import Path, line_of, lines_of_keys

CODE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
PREFIX = re.compile(r"[A-Za-z0-9.-]{0,16}")
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?")
TEXT_CHARACTERS_MAX = 500
GRACE_DAYS_MAX = 365
AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


def parse_policy(source: str, version: int) -> Policy:
    """Read the text of a policy file as the version that it is, or is to become.

    Raises PolicyError when anything in it is wrong: one line of message for each fault,
    `LINE: PLACE: REASON` such as `7: tax[2] rate: must be from 0 to 100`, by ascending line.
    """
    try:
        tables = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(_not_toml(str(error), source)) from error
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"1: not TOML: {error}") from error
    reader = _Reader()
    policy = reader.policy(tables, version)
    if reader.faults:
        lines = lines_of_keys(source)
        faults = sorted((line_of(path, lines), words) for path, words in reader.faults)
        raise PolicyError("\n".join(f"{line}: {words}" for line, words in faults))
    return policy


def parse_new(source: str, version: int) -> Policy:
    """Read a file that is to become a version: as `parse_policy`, but an empty one is refused.

    An empty file would remove every tax and all permissions. `parse_policy` still reads empty
    versions that were applied before this was refused.
    """
    policy = parse_policy(source, version)
    if not tomllib.loads(source):
        raise PolicyError(
            "1: the file says nothing: write [[tax]], [[staff]], [[price]] or [billing]"
        )
    return policy


def _not_toml(message: str, source: str) -> str:
    found = AT_LINE.search(message)
    line = int(found[1]) if found else source.count("\n") + 1
    return f"{line}: not TOML: {AT_LINE.sub('', message)}"


class _Reader:
    """Reads tables and collects faults; what it returns is valid only when there are none."""

    def __init__(self) -> None:
        self.faults: list[tuple[Path, str]] = []

    def policy(self, tables: Mapping[str, Any], version: int) -> Policy:
        known = ("tax", "staff", "price", "billing", "seller", "documents")
        self._only(tables, (), required=(), optional=known)
        taxes = [self._tax(table, path) for path, table in self._tables(tables, "tax")]
        self._check_windows(taxes)
        self._check_bases(taxes)
        staff: dict[str, Staff] = {}
        for path, table in self._tables(tables, "staff"):
            name, member = self._staff(table, path)
            if name in staff:
                self._fault((*path, "id"), f"{name} is there twice")
            staff[name] = member
        return Policy(
            version,
            tuple(taxes),
            MappingProxyType(staff),
            self._grace_days(tables),
            PriceList(self._prices(tables)),
            self._seller(tables),
            self._prefix(tables),
        )

    def _tax(self, table: Mapping[str, Any], path: Path) -> Tax:
        self._only(table, path, required=("code", "rate", "from"), optional=("until", "on"))
        code = table.get("code", "")
        if "code" in table and not (isinstance(code, str) and CODE.fullmatch(code)):
            self._fault((*path, "code"), "must be 1 to 64 of A-Z a-z 0-9 . _ : -")
            code = ""
        starts = self._day(table, path, "from") or date.min
        ends = self._day(table, path, "until")
        if ends is not None and ends <= starts:
            self._fault((*path, "until"), f"must be after from ({starts})")
        rate_ppm = self._percent(table, path, "rate")
        return Tax(code, rate_ppm or 0, starts, ends, self._texts(table, path, "on"))

    def _staff(self, table: Mapping[str, Any], path: Path) -> tuple[str, Staff]:
        self._only(table, path, required=("id", "may"), optional=("max_discount_percent",))
        name = table.get("id", f"the {path[-1]}th")
        # Compared with the actor of an event, which is any text, not only an id.
        if not (isinstance(name, str) and 0 < len(name) <= TEXT_CHARACTERS_MAX):
            self._fault((*path, "id"), f"must be a text of 1 to {TEXT_CHARACTERS_MAX}")
            name = f"the {path[-1]}th"
        may = self._texts(table, path, "may")
        for word in may:
            if word not in PERMISSIONS:
                known = ", ".join(sorted(PERMISSIONS))
                self._fault((*path, "may"), f"{word!r} is not one of {known}")
        return name, Staff(frozenset(may), self._percent(table, path, "max_discount_percent"))

    def _grace_days(self, tables: Mapping[str, Any]) -> int:
        billing = self._table(tables, "billing", ("grace_days",))
        days = billing.get("grace_days", GRACE_DAYS)
        if type(days) is not int or not 0 <= days <= GRACE_DAYS_MAX:
            self._fault(("billing", "grace_days"), f"must be a number from 0 to {GRACE_DAYS_MAX}")
            return GRACE_DAYS
        return days

    def _prices(self, tables: Mapping[str, Any]) -> list[Price]:
        prices: list[Price] = []
        first: dict[tuple[str, date], int] = {}
        for index, (path, table) in enumerate(self._tables(tables, "price")):
            self._only(table, path, required=("code", "from", "amount"), optional=("name",))
            code = table.get("code", "")
            if "code" in table and not (isinstance(code, str) and CODE.fullmatch(code)):
                self._fault((*path, "code"), "must be 1 to 64 of A-Z a-z 0-9 . _ : -")
                code = ""
            starts = self._day(table, path, "from")
            name = self._text(table, path, "name")
            prices.append(Price(code, starts or date.min, self._amount(table, path), name))
            if code and starts and (same := first.setdefault((code, starts), index)) < index:
                words = f"price[{same + 1}] is the price of {code} from {starts} already"
                self._fault((*path, "from"), words)
        return prices

    def _amount(self, table: Mapping[str, Any], path: Path) -> int:
        text = table.get("amount")
        if isinstance(text, str) and AMOUNT.fullmatch(text):
            return minor(text)
        if "amount" in table:
            words = 'must be a string such as "1000.00", 0 or more, at most two decimals'
            self._fault((*path, "amount"), words)
        return 0

    def _seller(self, tables: Mapping[str, Any]) -> Seller:
        table = self._table(tables, "seller", Seller._fields)
        return Seller(*(self._text(table, ("seller",), name) for name in Seller._fields))

    def _prefix(self, tables: Mapping[str, Any]) -> str:
        prefix = self._table(tables, "documents", ("prefix",)).get("prefix", "")
        if not (isinstance(prefix, str) and PREFIX.fullmatch(prefix)):
            self._fault(("documents", "prefix"), "must be up to 16 of A-Z a-z 0-9 . -")
            return ""
        return prefix

    def _table(
        self, tables: Mapping[str, Any], name: str, optional: tuple[str, ...]
    ) -> Mapping[str, Any]:
        table = tables.get(name, {})
        if not isinstance(table, dict):
            self._fault((name,), f"must be a table, [{name}]")
            return {}
        self._only(table, (name,), required=(), optional=optional)
        return table

    # Rules across components ----------------------------------------------------------------

    def _check_windows(self, taxes: list[Tax]) -> None:
        """A code has one rate on a day."""
        for index, tax in enumerate(taxes):
            for earlier, other in enumerate(taxes[:index]):
                if tax.code and tax.code == other.code and _overlap(tax, other):
                    words = f"{tax.code} is in force on days of tax[{earlier + 1}] too"
                    self._fault(("tax", index, "from"), words)

    def _check_bases(self, taxes: list[Tax]) -> None:
        """Components are worked out in the order of the file, so a base comes first."""
        for index, tax in enumerate(taxes):
            earlier = {other.code for other in taxes[:index]}
            for code in tax.on:
                if code not in earlier:
                    words = f"{code!r} is no component defined above this one"
                    self._fault(("tax", index, "on"), words)
            if len(set(tax.on)) < len(tax.on):
                self._fault(("tax", index, "on"), "names a component twice")
            for above, other in enumerate(taxes[:index]):
                if tax.code in other.on and _overlap(tax, other):
                    words = f"the base of tax[{above + 1}] includes {tax.code}: define it above"
                    self._fault(("tax", index, "code"), words)

    # Single values ---------------------------------------------------------------------------

    def _tables(self, tables: Mapping[str, Any], name: str) -> list[tuple[Path, Mapping[str, Any]]]:
        found = tables.get(name, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            self._fault((name,), f"must be a list of tables, [[{name}]]")
            return []
        return [((name, index), table) for index, table in enumerate(found)]

    def _only(
        self,
        table: Mapping[str, Any],
        path: Path,
        required: tuple[str, ...],
        optional: tuple[str, ...],
    ) -> None:
        for key in table:
            if key not in required and key not in optional:
                known = ", ".join((*required, *optional))
                self._fault((*path, key), f"is not a key; known are {known}")
        for key in required:
            if key not in table:
                self._fault((*path, key), "is missing")

    def _percent(self, table: Mapping[str, Any], path: Path, key: str) -> int | None:
        if key not in table:
            return None
        text = table[key]
        if not isinstance(text, str):
            self._fault((*path, key), 'must be a string such as "12.5"')
            return None
        try:
            ppm = parts_per_million(text)
        except ValueError:
            words = 'must be a string such as "12.5", from "0" to "100", at most four decimals'
            self._fault((*path, key), words)
            return None
        if ppm > PPM:
            self._fault((*path, key), "must be from 0 to 100")
        return ppm

    def _day(self, table: Mapping[str, Any], path: Path, key: str) -> date | None:
        day = table.get(key)
        if isinstance(day, date) and not isinstance(day, datetime):
            return day
        if key in table:
            self._fault((*path, key), "must be a day without quotes, such as 2026-01-31")
        return None

    def _text(self, table: Mapping[str, Any], path: Path, key: str) -> str | None:
        text = table.get(key)
        if text is None or (isinstance(text, str) and 0 < len(text) <= TEXT_CHARACTERS_MAX):
            if "\0" not in (text or ""):
                return text
            self._fault((*path, key), "has the character U+0000, which no table can hold")
            return None
        self._fault((*path, key), f"must be a text of 1 to {TEXT_CHARACTERS_MAX}")
        return None

    def _texts(self, table: Mapping[str, Any], path: Path, key: str) -> tuple[str, ...]:
        texts = table.get(key, [])
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return tuple(texts)
        self._fault((*path, key), 'must be a list of strings such as ["discount"]')
        return ()

    def _fault(self, path: Path, words: str) -> None:
        self.faults.append((path, f"{_place(path)}: {words}"))


def _overlap(one: Tax, other: Tax) -> bool:
    last = date.max
    return one.starts < (other.ends or last) and other.starts < (one.ends or last)


def _place(path: Path) -> str:
    """Write a path for people, who count from 1: ("tax", 1, "rate") is `tax[2] rate`."""
    words = ""
    for step in path:
        words += f"[{step + 1}]" if isinstance(step, int) else f" {step}"
    return words.strip()
