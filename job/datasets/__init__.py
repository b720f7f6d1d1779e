"""Versioned datasets on S3 or in a folder."""

from job.datasets.datasets import Datasets
from job.datasets.location import default_url
from job.datasets.manifest import File, Folder, Link, Manifest
from job.datasets.origin import Origin
from job.datasets.reference import DatasetRef
from job.datasets.version import Dataset, Version

__all__ = [
    "Dataset",
    "DatasetRef",
    "Datasets",
    "File",
    "Folder",
    "Link",
    "Manifest",
    "Origin",
    "Version",
    "default_url",
]
