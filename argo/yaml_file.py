"""A configuration file in YAML 1.2: a mapping, or an error with its line and column."""

from pathlib import Path
from typing import Any

from job.errors import InputError

# What ruamel lets through beside its own errors, for an escape such as "\UFFFFFFFF" and for deep nesting
UNREADABLE = (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RecursionError)


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """The mapping in the file at `path`; {} if it is empty. Raises InputError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        location = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = str(error.problem or error.context).splitlines()[0]
        raise InputError(f"{location}: not valid YAML: {problem}") from None
    except (YAMLError, *UNREADABLE) as error:
        raise InputError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(data, dict | None):
        raise InputError(f"{path}: must be a mapping")
    return {str(key): value for key, value in (data or {}).items()}
