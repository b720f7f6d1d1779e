"""The seccomp filters in the package are what their script makes."""

import ctypes

import pytest

from argo.local.seccomp import make

# Another version may make other bytes of the same rules.
MADE_BY = (2, 5)


def libseccomp_version() -> tuple[int, int]:
    class Version(ctypes.Structure):
        _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))

    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("no libseccomp here")
    library.seccomp_version.restype = ctypes.POINTER(Version)
    version = library.seccomp_version().contents
    return version.major, version.minor


@pytest.mark.parametrize("architecture", make.ARCHITECTURES)
def test_the_filter_of_an_architecture_is_what_the_script_makes(architecture: str) -> None:
    if (version := libseccomp_version()) != MADE_BY:
        pytest.skip(f"libseccomp {version}, not {MADE_BY}")
    assert (make.FOLDER / f"{architecture}.bpf").read_bytes() == make.make_filter(architecture)
