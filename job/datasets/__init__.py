"""Versioned datasets in a store."""

from job.datasets.commit import StoredFile
from job.datasets.datasets import Datasets
from job.datasets.history import Producer
from job.datasets.manifest import File, Folder, Link, Manifest
from job.datasets.reference import DatasetRef
from job.datasets.version import Dataset, Version
from job.storage.s3.location import Credentials

__all__ = [
    "Credentials",
    "Dataset",
    "DatasetRef",
    "Datasets",
    "File",
    "Folder",
    "Link",
    "Manifest",
    "Producer",
    "StoredFile",
    "Version",
]
