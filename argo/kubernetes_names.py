"""Names that compiled workflows and every command on a cluster share. What lies on clusters keeps them."""

# Objects of a namespace (k8s/base)
SERVICE_ACCOUNT = "textgen"  # of jobs' pods
EXECUTOR_ACCOUNT = "textgen-executor"  # of Argo's own container in each pod
ARTIFACT_REPOSITORIES = "artifact-repositories"  # the ConfigMap of Argo's artifact repositories
ARTIFACT_REPOSITORY = "textgen-none"  # its key for one that holds nothing, and needs no credentials
STORE = "textgen-store"  # the ConfigMap with the store's `url`, and the Secret with its credentials
SECRETS = "textgen-secrets"  # the Secret with the values of `secret:NAME`, by name
GIT = "textgen-git"  # the Secret for the linked repository: username and password, or an SSH key
SHARED_NAMESPACE = "textgen"  # holds the secrets of all projects of a cluster

# Keys of labels and annotations. A label's value is its annotation's, shortened to what a label can hold.
MANAGED_BY = "app.kubernetes.io/managed-by"  # the label of every object that textgen makes
MANAGER = "textgen"  # its value
WORKFLOW = "textgen/workflow"  # label: the workflow's name
FILE = "textgen/file"  # annotation: the workflow file's path in its repository
REPOSITORY = "textgen/repository"  # label: the repository's name; annotation: its URL
BRANCH = "textgen/branch"  # annotation: the branch that the commit is from, if it is known
COMMIT = "textgen/commit"  # label: the repository's commit
DATASET_PREFIX = "dataset.textgen/"  # label, before the name of a dataset that the run makes
JOB = "textgen/job"  # label and annotation of a pod: the job's name
INSTANCE_TYPE = "textgen/instance-type"  # annotation of a pod
LARGER_INSTANCE_TYPE = "textgen/larger-instance-type"  # annotation of a pod: what to try if memory ran out
TRIGGER = "textgen/trigger"  # label: whether a push's run has started; annotation: the push
REPORTED = "textgen/told"  # label: the run's end has been reported to the git host

# Labels and annotations of Argo
ARGO_COMPLETED = "workflows.argoproj.io/completed"
ARGO_ARCHIVING_STATUS = "workflows.argoproj.io/workflow-archiving-status"
ARGO_WORKFLOW = "workflows.argoproj.io/workflow"  # label of a pod: the Workflow's name
ARGO_NODE_ID = "workflows.argoproj.io/node-id"
ARGO_NODE_NAME = "workflows.argoproj.io/node-name"
ARGO_PROGRESS = "workflows.argoproj.io/progress"

# Parameters of a Workflow with the repository that it runs for
GITHUB_URL = "github-url"
GITHUB_REF = "github-ref"
