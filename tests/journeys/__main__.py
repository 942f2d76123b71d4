"""`python -m tests.journeys`: the figures of each journey; with options, its files and the edges that go back or up."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from tests.journeys.walks import JOURNEYS, Road, trace


@click.command()
@click.argument("journeys", nargs=-1, type=click.Choice(list(JOURNEYS)))
@click.option("--files", "with_files", is_flag=True, help="List the files, in order of first entry.")
@click.option("--edges", "with_edges", is_flag=True, help="List the edges that go back (→) or up (↑): how many calls.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was traced, for a program.")
def main(journeys: Sequence[str], *, with_files: bool, with_edges: bool, as_json: bool) -> None:
    """Trace the JOURNEYS through the product's files; all three when none is named."""
    roads = {}
    for name in journeys or JOURNEYS:
        with tempfile.TemporaryDirectory() as folder:
            roads[name] = trace(name, Path(folder))
        if not as_json:
            _show(name, roads[name], with_files=with_files, with_edges=with_edges)
    if as_json:
        click.echo(json.dumps({name: asdict(road) for name, road in roads.items()}, indent=1))


def _show(name: str, road: Road, *, with_files: bool, with_edges: bool) -> None:
    counts = f"{len(road.files)} files, {len(road.edges)} call edges, {len(road.back)} go back"
    jumps = f"{road.share(road.jumps):.0f} % without those to the floor"
    click.echo(f"{name}: {counts} ({road.share(road.back):.0f} %; {jumps}), {len(road.up)} go up")
    if with_files:
        for place, file in enumerate(road.files, 1):
            click.echo(f"  {place:3} {file}")
    if with_edges:
        for edge in sorted({*road.back, *road.up}, key=lambda edge: (edge.callee, edge.caller)):
            click.echo(f"  {edge.caller} {'↑' if edge.goes_up else '→'} {edge.callee} ({edge.calls})")


if __name__ == "__main__":
    main()
