"""Versioned datasets on S3 or in a folder."""

from job.datasets.datasets import Datasets
from job.datasets.manifest import File, Folder, Link, Manifest
from job.datasets.origin import Producer
from job.datasets.reference import DatasetRef
from job.datasets.version import Dataset, Version
from job.storage.open import default_url

__all__ = [
    "Dataset",
    "DatasetRef",
    "Datasets",
    "File",
    "Folder",
    "Link",
    "Manifest",
    "Producer",
    "Version",
    "default_url",
]
