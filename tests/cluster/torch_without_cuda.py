"""What takes the place of CUDA's libraries, and of torch's for CUDA, in an image for a CPU: 3 GB less.

Run as: torch_without_cuda.py FOLDER

torch from PyPI is linked with CUDA's libraries and can't be imported without them. A small one is copied;
a large one is replaced by a library of the same name whose functions do nothing: none is called on a CPU.
Torch's own are copied without their code for GPUs.
"""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

LARGE = 10_000_000  # bytes


def main(target: Path) -> None:
    """Write files for torch/lib into `target`, which needs a C compiler and binutils."""
    spec = find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    torch = Path(spec.origin).parent
    target.mkdir(parents=True)
    linked = [*torch.glob("lib/*.so"), *torch.glob("_C*.so")]
    needed = {name for each in linked for name in re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", each))}
    wanted = {symbol for each in linked for symbol, _ in list_symbols(each, "--undefined-only")}
    for library in (torch.parent / "nvidia").glob("**/lib/*.so.*"):
        if library.name not in needed:
            continue
        if library.stat().st_size < LARGE:
            shutil.copy(library, target)
        else:
            write_stub(target / library.name, list_symbols(library, "--defined-only"), wanted)
    for library in torch.glob("lib/libtorch_cuda*.so"):
        copy_without_kernels(library, target / library.name)


def copy_without_kernels(library: Path, target: Path) -> None:
    """Copy a library, with a hole in place of the section that holds what nvcc compiled for GPUs."""
    section = re.search(r" \.nv_fatbin +\S+ +\S+ +(\S+) +(\S+)", run("readelf", "-SW", library))
    assert section is not None
    start, size = (int(number, 16) for number in section.groups())
    with library.open("rb") as source, target.open("wb") as copy:
        copy.write(source.read(start))
        source.seek(start + size)
        copy.seek(start + size)
        shutil.copyfileobj(source, copy)


def write_stub(path: Path, symbols: list[tuple[str, str]], wanted: set[str]) -> None:
    """A library with those of the symbols that are wanted, each in its version."""
    versions: dict[str, list[str]] = defaultdict(list)
    for symbol, version in symbols:
        if symbol in wanted:
            versions[version].append(symbol)
        elif symbol == version:  # the version's own
            versions[version] += []
    code = "".join(f"int {symbol}(void) {{ return 1; }}\n" for names in versions.values() for symbol in names)
    script = path.with_suffix(".map")
    script.write_text(
        "".join(
            f"{version} {{ {''.join(f'{name};' for name in names)} }};\n"
            for version, names in versions.items()
            if version
        )
    )
    flags = [f"-Wl,--version-script={script}"] if script.read_text() else []
    run("cc", "-shared", "-w", "-x", "c", "-", "-o", path, f"-Wl,-soname,{path.name}", *flags, text=code)
    script.unlink()


def list_symbols(library: Path, which: str) -> list[tuple[str, str]]:
    """The dynamic symbols of a library, each with its version or an empty string."""
    words = [line.split()[-1].replace("@@", "@") for line in run("nm", "-D", which, library).splitlines()]
    return [(symbol, version) for symbol, _, version in (word.partition("@") for word in words)]


def run(*words: str | Path, text: str = "") -> str:
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
