"""`python -m job COMMAND`: what a job's containers run."""

from typing import NoReturn

import click

from job.command import LazyGroup, run_group

# A command's name: the module that has it as `command`, its line in --help.
COMMANDS = {
    "generate": ("job.generate.run", "Generate text from prompts."),
    "plan": ("job.generate.shards.plan", "Divide a generation into shards."),
    "shard": ("job.generate.shards.run", "Generate the texts of one shard."),
    "model": ("job.generate.models.find", "Download a model and print its folder or GGUF file."),
    "checkout": ("job.checkout.checkout", "Check out a git repository."),
    "download": ("job.checkout.download", "Download objects from S3."),
    "inputs": ("job.pod.inputs", "Prepare a job's inputs."),
    "store": ("job.pod.store", "Keep a job's log, and store its outputs when commit asks for it."),
    "commit": ("job.pod.handoff", "Have a job's outputs stored."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def job(debug: bool) -> None:
    """Run one step of a workflow's job."""


def main(argv: list[str] | None = None, program: str = "python -m job") -> NoReturn:
    """Run the command line; `program` is what its help calls it."""
    run_group(job, program, argv)


if __name__ == "__main__":
    main()
