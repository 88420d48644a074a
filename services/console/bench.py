import click


@click.group()
def bench() -> None:
    """x"""
