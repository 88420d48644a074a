"""The house's own rules: who may import whom, where SQL lives, and what a folder must have."""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = ROOT / "shared" / "ledger"
TOPS = ("shared", "services", "benches", "demos")
MODULES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOCUMENTS = sorted(
    [*ROOT.glob("*.md")]
    + [path for top in (*TOPS, "tests", "deploy", "docs") for path in (ROOT / top).rglob("*.md")]
)
TREE = {
    path.relative_to(ROOT).as_posix()
    for top in (*TOPS, "tests", "deploy", "docs")
    for path in (ROOT / top).rglob("*")
} | {path.name for path in ROOT.iterdir()}
NAMED = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sql|md|toml|lock|yml|properties|story|json))`")
"""A file in `code`, with or without its folder."""
CITED = re.compile(r"\b((?:docs|deploy)/[\w-]+\.md)#([\w-]+)")
"""A heading of a page, as code and other pages cite it: `docs/rules.md#proration`."""
WRITTEN = {"policy.toml", "connection.json", "kept.json"}
TEXTS = [
    *MODULES,
    *TESTS,
    *DOCUMENTS,
    *(path for top in (*TOPS, "tests", "deploy") for path in (ROOT / top).rglob("*.sql")),
    *(ROOT / "tests").rglob("*.story"),
    *(ROOT / "deploy").glob("*.yml"),
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
]
RELEASED_CITING = {
    "0001_the_book.sql",
    "0006_second_form.contract.sql",
    "0007_grown_rules.contract.sql",
}
"""Migrations that were released with a citation; a released migration is never changed."""

ROOMS = (
    ("shared.ledger",),
    ("shared.ledger.postgres", "shared.schemas"),
    ("shared.kafka",),
    ("shared.runtime",),
    ("shared.operator",),
    ("shared.embedded", "shared.exports"),
    (
        "services.collector",
        "services.coordinator",
        "services.generator",
        "services.notifier",
        "services.relay",
    ),
    ("services.workers",),
    ("benches", "demos"),
    ("services.console",),
)
"""From the bottom up: a room imports from rooms further down, and never from one beside it."""
EXCEPT = {
    "services.collector": ("shared.operator", "shared.embedded", "shared.exports"),
    "services.coordinator": ("shared.operator", "shared.embedded", "shared.exports"),
    "services.generator": ("shared.operator", "shared.embedded", "shared.exports"),
    "services.notifier": ("shared.operator", "shared.embedded", "shared.exports"),
    "services.relay": ("shared.operator", "shared.embedded", "shared.exports"),
    "shared.exports": ("shared.schemas", "shared.kafka", "shared.runtime"),
    "shared.schemas": ("shared.ledger.postgres",),
}
"""What a room may not import although it lies further down."""


def imports(path: Path, *, typing_too: bool = True) -> Iterator[str]:
    """Yield the modules that a file imports, wherever it does: `from a.b import c` as `a.b`, and
    as `a.b.c` where that is a module."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree) if typing_too else _run(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if module_file(inner) else node.module


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree without what is there for a type checker only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _run(node)


def module_file(name: str) -> Path | None:
    """Return the file of one of our modules or packages; None when it is no module of ours."""
    base = ROOT / name.replace(".", "/")
    found = (base.with_suffix(".py"), base / "__init__.py", base)
    return next((each for each in found if each.exists() and name.split(".")[0] in TOPS), None)


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def room(name: str) -> str:
    """Return the room of one of our modules."""
    found = [each for level in ROOMS for each in level if f"{name}.".startswith(f"{each}.")]
    return max(found, key=len, default=name)


def level(name: str) -> int:
    return next(at for at, rooms in enumerate(ROOMS) if name in rooms)


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_imports_only_from_rooms_below_its_own(path: Path) -> None:
    """What all rooms share are the empty packages `shared` and `services`."""
    ours = room(module(path))
    if ours in ("shared", "services"):
        assert list(imports(path)) == []
        return
    for name in imports(path):
        if name.partition(".")[0] in TOPS and (theirs := room(name)) != ours:
            assert level(theirs) < level(ours), f"{ours} imports {name}, which is not below it"
            assert theirs not in EXCEPT.get(ours, ()), f"{ours} may not know {name}"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_imports_only_the_libraries_that_its_room_may(path: Path) -> None:
    where = place(path)
    for name in imports(path):
        top = name.partition(".")[0]
        library = top not in sys.stdlib_module_names and top not in TOPS
        if where.startswith("shared/ledger/") and "/postgres/" not in where:
            assert not library, f"rules are pure: {name}"
            assert top not in ("os", "asyncio", "logging", "time", "random", "socket"), name
        if where.startswith("shared/schemas/"):
            assert not library or top in ("pydantic", "pydantic_core"), name
        if top == "faust":
            assert where.startswith(("services/coordinator/", "shared/kafka/faust_app")), name
        if top == "prometheus_client":
            assert where in ("shared/runtime/metrics.py", "shared/runtime/health.py")
        assert top != "tests", name


def test_no_imports_go_in_a_circle() -> None:
    """Imports within functions count, those for type checkers alone do not."""
    graph = {
        module(path): {name for name in imports(path, typing_too=False) if module_file(name)}
        for path in MODULES
    }
    done: set[str] = set()

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for each in sorted(graph.get(name, ())):
                follow(each, (*way, name))
            done.add(name)

    for name in graph:
        follow(name, ())


def test_what_workers_run_names_no_room_above_it_not_even_in_a_string() -> None:
    above = re.compile(r"\b(shared[./](operator|embedded|exports)|services[./]\w+|benches|demos)\b")
    naming = [
        f"{place(path)}: {found[0]}"
        for path in MODULES
        if room(module(path)) == "shared.runtime"
        and (found := above.search(path.read_text("utf-8")))
    ]
    assert naming == []


def test_only_one_place_turns_a_workers_name_into_a_module() -> None:
    naming = [
        place(path)
        for path in MODULES
        if re.search(r"import_module|[\"\x27]services\.", path.read_text("utf-8"))
    ]
    assert naming == ["services/workers.py"]


def test_kafka_clients_are_made_in_one_room() -> None:
    making = re.compile(r"\b(AIOKafkaConsumer|AIOKafkaProducer|AIOKafkaAdminClient|faust\.App)\(")
    makers = [
        place(path)
        for path in MODULES
        if room(module(path)) != "shared.kafka" and making.search(path.read_text("utf-8"))
    ]
    assert makers == []


def test_only_settings_read_the_environment() -> None:
    readers = [
        place(path)
        for path in MODULES
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text("utf-8"))
    ]
    assert readers == ["shared/runtime/settings.py"]


def test_metrics_are_declared_in_one_catalogue() -> None:
    declaring = re.compile(r"\b(Counter|Gauge|Histogram|Summary)\(\s*\"")
    declarers = [
        place(path)
        for path in MODULES
        if "prometheus_client" in path.read_text("utf-8")
        and declaring.search(path.read_text("utf-8"))
    ]
    assert declarers == ["shared/runtime/metrics.py"]


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
        for path in MODULES
        if room(module(path)) != "shared.ledger.postgres"
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
    if path.stem not in ("baseline_twin", "part_lines"):  # the second is one DO block
        assert code.rstrip().rstrip(";").count(";") == 0, "one statement a file"
    used = re.compile(rf'sql\(\s*"{path.stem}"')
    readers = [*MODULES, *TESTS]
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


@pytest.mark.parametrize(
    "folder", ["deploy", "tests", "tests/support", "tests/bus", "tests/postgres"]
)
def test_a_readme_names_the_files_of_its_folder(folder: str) -> None:
    """Of a folder of tests that has none, the tests' own names the helpers."""
    own = ROOT / folder / "README.md"
    readme = (own if own.exists() else ROOT / "tests" / "README.md").read_text("utf-8")
    names = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
    if not own.exists():
        names = {name for name in names if not name.startswith("test_")}
    assert {name for name in names - {"README.md", "__init__.py"} if name not in readme} == set()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_says_its_duty(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not tree.body or ast.get_docstring(tree)


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=place)
def test_a_file_stays_small(path: Path) -> None:
    most = 550 if path in TESTS else 350
    assert len(path.read_text("utf-8").splitlines()) <= most


@pytest.mark.parametrize("document", DOCUMENTS, ids=place)
def test_what_a_document_links_to_or_names_exists(document: Path) -> None:
    """Links; files named in `code`, anywhere in the tree; and beside the document what a table
    lists in its first column."""
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    linked = {at for at in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in at}
    listed = {
        name
        for cell in re.findall(r"^\| (`[^|]*)\|", text, re.MULTILINE)
        for name in re.findall(NAMED, cell)
    }
    named = {at for at in re.findall(NAMED, text) if not re.search(r"NAME/|NNNN_", at)}
    beside = {at for at in linked | listed if not _beside(document, at)}
    nowhere = {
        at
        for at in named
        if Path(at).name not in WRITTEN and not any(f"/{path}".endswith(f"/{at}") for path in TREE)
    }
    assert beside | nowhere == set()


def test_links_and_citations_name_headings_that_exist() -> None:
    """Links of documents, `page.md#heading`; and what code, SQL and pages cite from the root."""
    cited = {
        (place(file), page, heading)
        for file in TEXTS
        for page, heading in re.findall(CITED, file.read_text("utf-8"))
    }
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for page, heading in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", text):
            target = (document.parent / page).resolve() if page else document
            if target.is_relative_to(ROOT):
                cited.add((place(document), place(target), heading))
    missing = {
        (where, page, heading)
        for where, page, heading in cited
        if not (ROOT / page).exists() or heading not in headings(ROOT / page)
    }
    assert missing == set()


def test_pages_of_the_reference_are_in_its_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {path.name for path in (ROOT / "docs").iterdir() if path.is_file()} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made from the words."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    found: set[str] = set()
    for words in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        again = next(n for n in count() if (f"{anchor}-{n}" if n else anchor) not in found)
        found.add(f"{anchor}-{again}" if again else anchor)
    return found


def test_no_file_cites_a_specification_from_outside_the_repository() -> None:
    """A rule's source is a page in docs/. Released migrations stay as they are."""
    section = re.compile("\N{SECTION SIGN} ?[0-9]")
    citing = [
        place(file)
        for file in TEXTS
        if section.search(file.read_text("utf-8")) and file.name not in RELEASED_CITING
    ]
    assert citing == []


def _beside(document: Path, at: str) -> bool:
    return (document.parent / at).exists() or ("/" in at and (ROOT / at).exists())


@pytest.mark.parametrize("path", TESTS, ids=place)
def test_no_test_waits_for_so_many_seconds(path: Path) -> None:
    """A busy machine makes such a test fail; what waits well is in tests/support/patience.py."""
    waits = ("asyncio.timeout", "asyncio.wait_for", "asyncio.wait", "self.process.communicate")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in waits:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            seconds = [each.value for each in given if isinstance(each, ast.Constant)]
            assert seconds == [], f"line {node.lineno}: {ast.unparse(node)}"


def test_commits_run_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(BIN)", ".venv/bin")
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert hooks == [line.strip() for line in recipe.splitlines()]
