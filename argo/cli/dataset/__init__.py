"""`textgen dataset`: what is in the dataset store, and what made it."""

import click

from job.command import LazyGroup

# A command's name, the module and the name of its function, its line in --help.
COMMANDS = {
    "list": ("argo.cli.dataset.show:list_datasets", "List datasets."),
    "versions": ("argo.cli.dataset.show:versions", "List the versions of a dataset."),
    "files": ("argo.cli.dataset.show:files", "List the files of a version."),
    "show": ("argo.cli.dataset.show:show", "Show a version and what made it."),
    "diff": ("argo.cli.dataset.diff:diff", "Show what differs between two versions."),
    "get": ("argo.cli.dataset.transfer:get", "Write a version's files to a folder."),
    "create": ("argo.cli.dataset.change:create", "Create an empty dataset."),
    "commit": ("argo.cli.dataset.transfer:commit", "Commit a folder as a new version."),
    "put": ("argo.cli.dataset.transfer:put", "Add files to the latest version, as a new one."),
    "tag": ("argo.cli.dataset.change:tag", "Give a version a tag, or move the tag to it."),
    "untag": ("argo.cli.dataset.change:untag", "Remove a tag."),
    "delete": ("argo.cli.dataset.change:delete", "Delete a version, or a whole dataset."),
    "gc": ("argo.cli.dataset.maintenance:gc", "Remove what belongs to no version."),
    "verify": ("argo.cli.dataset.maintenance:verify", "Check that versions are what was committed."),
}


@click.group("dataset", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Create, list and fetch versions of datasets.

    A version is named [NAMESPACE/]NAME[:VERSION], where VERSION is an id, a tag or latest.
    """
