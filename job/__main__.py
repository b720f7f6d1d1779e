"""`python -m job COMMAND`: what a container of the job runs. Each command is imported when called."""

from typing import NoReturn

import click

from job.command import Group, run

# The command's name, the module that holds it as `command`, its line in --help.
COMMANDS = {
    "generate": ("job.generate.run", "Generate text from prompts."),
    "model": ("job.generate.models.find", "Download or convert a model and print its folder."),
    "checkout": ("job.checkout.checkout", "Check a git repository out at a commit."),
    "download": ("job.checkout.download", "Fetch objects from S3."),
    "inputs": ("job.pod.inputs", "Make what a job of a workflow finds when it starts."),
    "commit": ("job.pod.commit", "Store what a job of a workflow made."),
}


@click.group(cls=Group, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def job(debug: bool) -> None:
    """Do one step of a workflow's job."""


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line."""
    run(job, "python -m job", argv)


if __name__ == "__main__":
    main()
