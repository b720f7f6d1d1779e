"""What scripts of real workflow files do goes on working in the sandbox."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.local.conftest import Repository, script, workflow

CLONE = "outputs: {repo: {type: volume}}\nuses: git-checkout@v1\nwith: {url: context.event.github.url}"

PACKAGE = r"""
set -e
mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin /tmp/p/etc/textgen-test
cd /tmp/p
printf '%s: textgen-test\n' Package Maintainer Description > DEBIAN/control
printf '%s\n' 'Version: 1' 'Architecture: all' >> DEBIAN/control
printf '%s\n' '#!/bin/sh -e' 'useradd --system textgen-test' > DEBIAN/postinst
echo 'chown textgen-test /etc/textgen-test' >> DEBIAN/postinst
printf '#!/bin/sh\necho it works\n' > usr/bin/textgen-test
chmod 755 DEBIAN/postinst; chmod 4755 usr/bin/textgen-test; chgrp 33 etc/textgen-test
dpkg-deb --build /tmp/p /tmp/p.deb
apt-get install -y /tmp/p.deb
textgen-test
stat -c '%U %G %A' /etc/textgen-test /usr/bin/textgen-test
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("apt-get"), reason="needs root and apt-get")
def test_roots_job_installs_a_package_that_makes_a_user(repository: Repository) -> None:
    outcome = repository.run(workflow(job=script(PACKAGE)))
    assert outcome.phases() == {"job": "Succeeded"}, outcome.log("job")
    expected = ["it works", "textgen-test www-data drwxr-xr-x", "root root -rwsr-xr-x"]
    assert outcome.log("job").splitlines()[-3:] == expected
    assert not Path("/usr/bin/textgen-test").exists()


def test_pip_installs_a_wheel_of_the_repository(repository: Repository) -> None:
    wheel = "textgen_test_wheel-1-py3-none-any.whl"
    information = "textgen_test_wheel-1.dist-info"
    with zipfile.ZipFile(repository.root / wheel, "w") as file:
        file.writestr("textgen_test_wheel.py", "print('from the wheel')\n")
        metadata = "Metadata-Version: 2.1\nName: textgen-test-wheel\nVersion: 1\n"
        file.writestr(f"{information}/METADATA", metadata)
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        file.writestr(f"{information}/WHEEL", tags)
        file.writestr(f"{information}/RECORD", "")
    text = f"""
        cp -R /inputs/repo /nlp && cd /nlp
        pip3 install --no-index ./{wheel} && python3 -c 'import textgen_test_wheel'
    """
    job = script(text, needs="[clone]", inputs="{repo: clone.outputs.repo}")
    outcome = repository.run(workflow(clone=CLONE, job=job))
    assert outcome.phases()["job"] == "Succeeded", outcome.log("job")
    assert "from the wheel" in outcome.log("job").splitlines()


PROCESSES = """
import multiprocessing
from multiprocessing import shared_memory

def write(name):
    memory = shared_memory.SharedMemory(name)
    memory.buf[0] = 7
    memory.close()

if __name__ == "__main__":
    memory = shared_memory.SharedMemory(create=True, size=1)
    process = multiprocessing.Process(target=write, args=(memory.name,))
    process.start()
    process.join()
    print("shared", memory.buf[0])
    memory.close()
    memory.unlink()
"""


def test_a_compiler_and_processes_with_shared_memory_work(repository: Repository) -> None:
    repository.write("shared.py", PROCESSES)
    repository.write("main.c", 'int puts(const char *);\nint main() { return puts("compiled") < 0; }\n')
    text = """
        cd /tmp && cc /inputs/repo/main.c && ./a.out
        python3 /inputs/repo/shared.py
        echo to the error > /dev/stderr; echo to the output > /dev/stdout
        touch /usr/local/bin/own /workspace /home/own && echo made
    """
    job = script(text, needs="[clone]", inputs="{repo: clone.outputs.repo}")
    lines = repository.run(workflow(clone=CLONE, job=job)).log("job").splitlines()
    expected = {"shared 7", "to the error", "to the output"}
    assert expected | ({"compiled"} if shutil.which("cc") else set()) <= set(lines)
    assert ("made" in lines) == os.access("/usr/local/bin", os.W_OK)


TENSORS = """
import torch.multiprocessing

def add(tensor):
    tensor += 1

if __name__ == "__main__":
    tensor = torch.zeros(2).share_memory_()
    process = torch.multiprocessing.get_context("fork").Process(target=add, args=(tensor,))
    process.start()
    process.join()
    print(tensor.tolist())
"""


@pytest.mark.model
def test_torch_shares_tensors_with_other_processes(repository: Repository) -> None:
    repository.write("tensors.py", TENSORS)
    job = script("python3 /inputs/repo/tensors.py", needs="[clone]", inputs="{repo: clone.outputs.repo}")
    assert "[1.0, 1.0]" in repository.run(workflow(clone=CLONE, job=job)).log("job").splitlines()
