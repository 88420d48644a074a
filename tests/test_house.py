"""The house's own rules: who may import whom, where SQL lives, and what a folder must have."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = ROOT / "shared" / "ledger"
MODULES = sorted(p for top in ("shared", "services") for p in (ROOT / top).rglob("*.py"))
SERVICES = sorted(p.name for p in (ROOT / "services").iterdir() if (p / "__init__.py").exists())


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    where = place(path)
    for name in imports(path):
        top = name.partition(".")[0]
        library = top not in sys.stdlib_module_names and top not in ("shared", "services")
        if where.startswith("shared/ledger/") and "/postgres/" not in where:
            assert not library, f"rules are pure: {name}"
            assert top != "services", name
            assert top != "shared" or name.startswith("shared.ledger"), name
            assert not name.startswith("shared.ledger.postgres"), name
            assert top not in ("os", "asyncio", "logging", "time", "random", "socket"), name
        if where.startswith("shared/schemas/"):
            assert not library or top in ("pydantic", "pydantic_core"), name
            assert not name.startswith(("shared.runtime", "shared.ledger.postgres")), name
        if where.startswith("shared/"):
            assert top != "services", "shared knows no service"
        if where.startswith("services/"):
            own = "services." + where.split("/")[1]
            assert not name.startswith("services") or name.startswith(own), f"another's: {name}"
        if top == "faust":
            assert where.startswith("services/coordinator/"), "Faust is the coordinator's"
        if top == "prometheus_client":
            assert where in ("shared/runtime/metrics.py", "shared/runtime/health.py")


def test_only_settings_read_the_environment() -> None:
    readers = [
        place(path)
        for path in MODULES
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text("utf-8"))
    ]
    assert readers == ["shared/runtime/settings.py"]


def test_connections_to_the_database_are_made_in_one_place() -> None:
    makers = [
        place(path)
        for path in MODULES
        if re.search(r"\basyncpg\.(connect|create_pool)\(", path.read_text("utf-8"))
    ]
    assert makers == ["shared/runtime/connecting.py"]


def test_no_statement_takes_an_advisory_lock() -> None:
    """Every login may take those: a reader could hold up all writers."""
    texts = [*MODULES, *(PURE / "postgres" / "sql").glob("*.sql"), PURE / "postgres" / "report.sql"]
    takers = [place(path) for path in texts if "advisory_lock" in path.read_text("utf-8")]
    takers += [place(path) for path in texts if "advisory_xact" in path.read_text("utf-8")]
    assert takers == []


def test_sql_lives_in_the_book() -> None:
    statement = re.compile(
        r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b[^\n]*\b(FROM|VALUES|SET)\b"
    )
    elsewhere = [
        place(path)
        for path in MODULES
        if "/postgres/" not in place(path) and statement.search(path.read_text("utf-8"))
    ]
    assert elsewhere == []


def test_statements_are_asked_for_by_name_in_the_book_s_folder_alone() -> None:
    """Everybody else calls a function of that folder, with typed arguments and results."""
    callers = [
        place(path)
        for top in ("shared", "services", "benches", "demos")
        for path in (ROOT / top).rglob("*.py")
        if path.parent != PURE / "postgres"
        and re.search(r"\bsql\(|postgres\.statements", path.read_text("utf-8"))
    ]
    assert callers == []


@pytest.mark.parametrize(
    "path", sorted((PURE / "postgres" / "sql").glob("*.sql")), ids=lambda path: path.stem
)
def test_a_statement_says_what_it_is_for_and_is_used(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("-- ")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    if path.stem != "baseline_twin":
        assert code.rstrip().rstrip(";").count(";") == 0, "one statement a file"
    used = re.compile(rf'sql\(\s*"{path.stem}"')
    readers = [*MODULES, *(ROOT / "tests").rglob("*.py")]
    assert any(used.search(each.read_text("utf-8")) for each in readers)


def test_the_columns_of_a_line_are_listed_in_line_alone() -> None:
    """But where each is written in a form of its own: as the hash of its line covers it."""
    listed = re.compile(r"granted_discount,\s+(\w+\.)?granted_vat")
    statements = (PURE / "postgres" / "sql").glob("*.sql")
    listers = [path.stem for path in statements if listed.search(path.read_text("utf-8"))]
    assert listers == ["ledger_hashed"]


def test_every_room_has_a_readme() -> None:
    rooms = {path.parent for path in MODULES} - {ROOT / "shared"}
    rooms |= {ROOT / "tests", ROOT / "deploy"}
    small = {
        ROOT / "services" / name for name in ("generator", "collector", "coordinator", "relay")
    }
    without = [place(room) for room in sorted(rooms - small) if not (room / "README.md").exists()]
    assert without == [], "services/README.md speaks for the small services"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_says_its_duty_and_stays_small(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not tree.body or ast.get_docstring(tree)
    assert len(path.read_text("utf-8").splitlines()) <= 520


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=place)
def test_no_test_waits_for_so_many_seconds(path: Path) -> None:
    """A busy machine makes such a test fail; what waits well is in tests/support/patience.py."""
    waits = ("asyncio.timeout", "asyncio.wait_for", "asyncio.wait", "self.process.communicate")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in waits:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            seconds = [each.value for each in given if isinstance(each, ast.Constant)]
            assert seconds == [], f"line {node.lineno}: {ast.unparse(node)}"
