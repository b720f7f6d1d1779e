"""`textgen dataset diff`."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict

import click

from argo.cli.dataset.options import Reference, store_option
from argo.cli.dataset.pairs import write_pair
from argo.cli.dataset.transfer import progress_bar
from argo.cli.pager import open_pager
from argo.cli.tables import align_columns, print_value, print_with_items
from argo.texts.comparison import Comparison, Pair, open_comparison, read_figures
from argo.texts.files import find_texts
from argo.texts.index import Index, open_index
from job.command import print_notice
from job.datasets import DatasetRef, Datasets, Version
from job.datasets.diff import Change, compare, diff_files, diff_lineage
from job.text import shortened

_WIDTH = 60
_MOST_BROKEN = 10


@click.command("diff")
@click.argument("before", type=Reference())
@click.argument("after", type=Reference())
@store_option
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), help="All differences as JSON or YAML.")
def diff(before: DatasetRef, after: DatasetRef, datasets: Datasets, output: str | None) -> None:
    """Show what differs from the version BEFORE to AFTER: what made it, its files, and its texts.

    Texts (outputs.jsonl, or the files of shards, in both versions) are compared word by word. The output is
    in your pager (PAGER).
    """
    versions = [datasets.resolve(ref) for ref in (before, after)]
    manifests = [datasets.manifest(version) for version in versions]
    figures = [read_figures(datasets, *both) for both in zip(versions, manifests, strict=True)]
    sections = {
        "made by": diff_lineage(*manifests),
        "files": diff_files(*manifests),
        "figures": compare(*figures),
    }
    with ExitStack() as stack:
        comparison = None
        if all(map(find_texts, manifests)) and versions[0] != versions[1]:
            comparison = _open_comparison(stack, datasets, versions)
        if output:
            _print_json(sections, comparison, output)
        else:
            _show(versions, sections, comparison)


def _open_comparison(stack: ExitStack, datasets: Datasets, versions: Sequence[Version]) -> Comparison:
    indexes: list[Index] = []
    for version in versions:
        with progress_bar(str(version), lambda version=version: version.size) as progress:  # type: ignore[misc]
            index = stack.enter_context(open_index(datasets, version, progress=progress))
        broken = index.figures().broken
        for row in index.broken(_MOST_BROKEN):
            print_notice(f"textgen: {version}: {row}")
        if broken > _MOST_BROKEN:
            click.echo(f"textgen: {version}: {broken - _MOST_BROKEN} more lines are no rows", err=True)
        indexes.append(index)
    return stack.enter_context(open_comparison(*indexes))


def _show(
    versions: Sequence[Version], sections: Mapping[str, Sequence[Change]], comparison: Comparison | None
) -> None:
    with open_pager() as page:
        page.write(f"{versions[0]} -> {versions[1]}")
        for name, changes in sections.items():
            if changes:
                page.write(f"\n{name}\n{_table(changes)}")
        if comparison:
            page.write(f"\ntexts\n  {_describe(comparison, versions)}\n")
            for pair in comparison.differing():
                write_pair(pair, [str(version) for version in versions], page)
        elif not any(sections.values()):
            page.write("no difference")


def _describe(comparison: Comparison, versions: Sequence[Version]) -> str:
    counts = comparison.count()
    parts = [f"{counts.same} same", f"{counts.changed} changed"]
    for version, count in zip(versions, (counts.only_before, counts.only_after), strict=True):
        parts += [f"{count} only in {version}"] if count else []
    return ", ".join(parts)


def _print_json(sections: Mapping[str, Sequence[Change]], comparison: Comparison | None, output: str) -> None:
    named: dict[str, object] = {
        name.replace(" ", "_"): [asdict(change) for change in changes] for name, changes in sections.items()
    }
    if comparison:
        named["counts"] = asdict(comparison.count())
        print_with_items(named, "texts", map(_pair_json, comparison.differing()), output)
    else:
        print_value(named, output)


def _pair_json(pair: Pair) -> Mapping[str, object]:
    return {
        "kind": str(pair.kind),
        "difference": round(pair.difference, 4),
        "before": pair.before and pair.before.to_json(),
        "after": pair.after and pair.after.to_json(),
    }


def _table(changes: Sequence[Change]) -> str:
    return align_columns([[f"  {c.name}", _short(c.before), "->", _short(c.after)] for c in changes])


def _short(text: str | None) -> str:
    if text is None:
        return "<none>"
    return shortened(" ".join(text.split()), _WIDTH)
