"""An image of several layers, as `docker save` writes it, on standard output: it is never whole on the disk.

Run as: image_archive.py "NAME..." LAYER...

A LAYER is a path without the suffixes of two files: LAYER.tar.gz, and LAYER.sha256 of what it holds.
"""

import json
import sys
import tarfile
from io import BytesIO
from pathlib import Path

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(names: list[str], layers: list[Path]) -> None:
    """Write the archive of an image with these names; the lowest layer is the first."""
    digests = [f"sha256:{layer.with_suffix('.sha256').read_text().split()[0]}" for layer in layers]
    files = [layer.with_suffix(".tar.gz") for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [PATH]},
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    manifest = [{"Config": "config.json", "RepoTags": names, "Layers": [file.name for file in files]}]
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name, content in ("config.json", config), ("manifest.json", manifest):
            entry = tarfile.TarInfo(name)
            text = json.dumps(content).encode()
            entry.size = len(text)
            archive.addfile(entry, BytesIO(text))
        for file in files:
            archive.add(file, file.name)


if __name__ == "__main__":
    main(sys.argv[1].split(), [Path(layer) for layer in sys.argv[2:]])
