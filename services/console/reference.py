"""Writes the generated parts of `docs/commands.md` and `docs/metrics.md`.

Both pages begin with text written by hand; what follows `MARK` comes from the commands and from the
catalogue of metrics. Run `python -m services.console.reference` after a change to either.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from shared.schemas.pages import table

DOCS = Path(__file__).parents[2] / "docs"
MARK = "<!-- Generated from here on: python -m services.console.reference -->\n"


def commands() -> str:
    """Return every command that `rollforward` has, as Markdown, in the order of its help."""
    from services.console.main import main

    return "\n".join(_group(main, click.Context(main, info_name="rollforward")))


def metrics() -> str:
    """Return the catalogue of metrics as a Markdown table, in its own order."""
    from shared.runtime import metrics as catalogue

    rows = []
    for each in vars(catalogue).values():
        if inspect.isclass(each) or not (hasattr(each, "_labelnames") or hasattr(each, "_label")):
            continue
        (family,) = each.collect()
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = getattr(each, "_labelnames", None) or filter(None, [getattr(each, "_label", "")])
        named = ", ".join(f"`{label}`" for label in labels)
        rows.append((f"`{name}`", family.type, named, _cell(family.documentation)))
    return table(("name", "type", "labels", "meaning, and what to do"), rows) + "\n"


NAMES = {"integer range": "number", "integer": "number", "float": "number", "filename": "file"}
"""Names of click's types, as people say them."""
PAGES = {"commands.md": commands, "metrics.md": metrics}


def page(file: Path) -> str:
    """Return a page as it should be: its head as it is in the file, then the generated part."""
    head, mark, _ = file.read_text("utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{file.name} lacks the line {MARK.strip()}")
    return f"{head}{MARK}\n{PAGES[file.name]()}"


def _group(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield from _command(command, inner)
        if isinstance(command, click.Group):
            yield from _group(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    depth = "##" if context.parent is not None and context.parent.parent is None else "###"
    path = context.command_path.removeprefix("rollforward ")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{depth} {path}\n"
    yield f"```\n{context.command_path} {usage}\n```\n"
    yield _text(command.help or "")
    rows = [row for param in command.params if (row := _row(param, context))]
    if rows:
        yield table(("argument or option", "form", "meaning"), rows) + "\n"


def _row(param: click.Parameter, context: click.Context) -> tuple[str, str, str] | None:
    if isinstance(param, click.Argument):
        needed = "required" if param.required else "optional"
        return f"`{param.make_metavar(context)}`", _form(param, context), needed
    assert isinstance(param, click.Option)
    if param.hidden:
        return None
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    about = param.get_help_extra(context)
    more = [f"default: {about['default']}"] if "default" in about else []
    more += ["required"] if "required" in about else []
    more += ["may be repeated"] if param.multiple else []
    words = (param.help or "") + (f" [{'; '.join(more)}]" if more else "")
    return names, _form(param, context), _cell(words)


def _form(param: click.Parameter, context: click.Context) -> str:
    """Return what a value looks like: the choices, a range, or the name of its type."""
    if isinstance(param, click.Option) and (param.is_flag or param.count):
        return ""
    kind: Any = param.type
    if isinstance(kind, click.Choice):
        return ", ".join(f"`{choice}`" for choice in kind.choices)
    words = param.make_metavar(context).strip("[].") if param.param_type_name == "option" else ""
    if words in ("", kind.name.upper()):
        words = NAMES.get(kind.name, kind.name)
    limits = kind._describe_range() if hasattr(kind, "_describe_range") else ""
    return _cell(f"{words} ({limits})" if limits else words)


def _text(text: str) -> str:
    """Return the text of a help as Markdown: paragraphs, and blocks that keep their lines."""
    blocks = []
    for block in inspect.cleandoc(text).split("\n\n"):
        if block.startswith("\b"):
            blocks.append("```\n" + block.removeprefix("\b").strip("\n") + "\n```")
        else:
            blocks.append(_escaped(block))
    return "\n\n".join(blocks) + "\n"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """Escape what Markdown would take for markup, but for text in `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([<*])", r"\\\1", part) for part in parts
    )


def main() -> None:
    for name in PAGES:
        file = DOCS / name
        fresh = file.with_suffix(".new")
        fresh.write_text(page(file), "utf-8")
        fresh.replace(file)
        click.echo(file.relative_to(DOCS.parent).as_posix())


if __name__ == "__main__":
    main()
