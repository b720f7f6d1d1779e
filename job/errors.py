"""Every error that a user can cause.

    TextgenError                exit status 1: the run failed
    ├── InputError              exit status 2: an argument or an input file is wrong
    │   ├── SettingsError       a setting that is unknown, of the wrong type or out of range
    │   ├── PromptError         prompts that can't be read or are empty
    │   ├── ModelError          a model that does not exist or is not a causal language model
    │   │   └── UnsupportedError    a model that one engine can't run, and another may
    │   ├── WorkflowError       a workflow file with errors in it (argo.language)
    │   ├── RefusedError        a workflow that can't run on the cluster (argo.cluster.preflight)
    │   └── UnknownReferenceError  a dataset, version, run or job that does not exist
    ├── StoreError              the dataset store refused or can't be reached
    │   ├── KeyAbsentError      the store has no such key (job.storage)
    │   └── UnavailableError    the same request may succeed later (job.storage)
    ├── ClusterError            the cluster refused or can't be reached
    │   ├── ApiError            the API server answered with an error (argo.cluster)
    │   └── UnreachableError    the API server did not answer (argo.cluster)
    ├── CommitError             a version that can't be committed (a changed output)
    │   └── NothingToCommitError   a version without a file
    ├── StaleError              a compiled file that is older than what it was compiled from
    ├── CheckoutError           git could not fetch the repository at the ref
    ├── Stopped                 `textgen stop` ended a run (argo.local)
    │   └── Interrupted         exit status 128 + the signal that ended a run (argo.local)
    └── JobError                a job of a workflow failed

Each message is one line: what, where, what to do. A program prints `str(error)` and exits
with `error.exit_status`; a traceback is shown only with `--debug`.
"""


class TextgenError(Exception):
    """The root of the tree; the message is one line for the user."""

    exit_status = 1


class InputError(TextgenError):
    """An argument or an input file is wrong."""

    exit_status = 2


class SettingsError(InputError):
    """A setting that is unknown, of the wrong type or out of range."""


class PromptError(InputError):
    """Prompts that can't be read or are empty."""


class ModelError(InputError):
    """A model that does not exist or is not a causal language model."""


class UnsupportedError(ModelError):
    """A model that one engine can't run, and another may."""


class UnknownReferenceError(InputError):
    """A dataset, version, run or job that does not exist."""


class StoreError(TextgenError):
    """The dataset store refused or can't be reached."""


class ClusterError(TextgenError):
    """The cluster refused or can't be reached."""


class CommitError(TextgenError):
    """A version that can't be committed, for example of an output that changes meanwhile."""


class NothingToCommitError(CommitError):
    """A version without a file."""


class StaleError(TextgenError):
    """A compiled file that is older than what it was compiled from."""


class CheckoutError(TextgenError):
    """Git could not fetch the repository at the ref."""


class JobError(TextgenError):
    """A job of a workflow failed."""
