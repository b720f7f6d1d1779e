"""An ordinary user's jobs have one id in their user namespace. Run as root, this looks at such a user."""

from pathlib import Path

import pytest

from tests.local.conftest import script, workflow
from tests.local.users import User, user

__all__ = ["user"]

TEXT = workflow(
    clone="""
        outputs: {repo: {type: volume}}
        uses: git-checkout@v1
        with: {url: context.event.github.url}
        """,
    job=script(
        """
        id -u; cp -R /inputs/repo /nlp && cd /nlp && cp file /outputs/d
        echo x > /inputs/repo/file; echo x > /etc/made; echo x > /root/made && ls /root
        """,
        needs="[clone]",
        inputs="{repo: clone.outputs.repo}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    ),
)


@pytest.mark.parametrize("user", ["ordinary"], indirect=True)
def test_a_workflow_runs_for_a_user_who_is_not_root(user: User) -> None:
    user.repository.write("file", "from the repository\n")
    user.write(TEXT)
    done = user.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert {"job   | 0", "job   | made"} <= set(done.stdout.splitlines())
    assert user.repository.files("d") == {"file": "from the repository\n"}
    assert not Path("/etc/made").exists()
