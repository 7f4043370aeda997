"""The few git commands that a workspace needs, over the git binary, independent of the user's own configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from research_runner.errors import RunnerError

IDENTITY = {
    "GIT_AUTHOR_NAME": "research runner",
    "GIT_AUTHOR_EMAIL": "runner@localhost",
    "GIT_COMMITTER_NAME": "research runner",
    "GIT_COMMITTER_EMAIL": "runner@localhost",
}
BRANCH = "refs/heads/main"


class Repository:
    """A git repository whose branch only ever moves forward, by single reference updates."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Output of `git …`; RunnerError with git's own words when it fails."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        environment |= IDENTITY | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        environment.setdefault("HOME", str(self.root))
        command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", f"safe.directory={self.root}"]
        try:
            done = subprocess.run(
                [*command, *arguments], cwd=self.root, env=environment, input=stdin, capture_output=True, check=False
            )
        except FileNotFoundError as problem:
            raise RunnerError("git is not installed: a workspace is a git repository") from problem
        if done.returncode:
            raise RunnerError(
                f"git {arguments[0]} failed in {self.root}: {done.stderr.decode(errors='replace').strip()}"
            )
        return done.stdout

    def text(self, *arguments: str) -> str:
        return self.git(*arguments).decode().strip()

    def start(self, files: list[str]) -> str:
        """Make the repository with `files` of the working tree as its first commit; returns the commit."""
        self.git("init", "--quiet")
        self.git("symbolic-ref", "HEAD", BRANCH)
        self.git("add", "--", *files)
        self.git("commit", "--quiet", "-m", "workspace")
        return self.head()

    def head(self) -> str:
        return self.text("rev-parse", BRANCH)

    def file(self, commit: str, name: str) -> str:
        return self.git("show", f"{commit}:{name}").decode()

    def parent(self, commit: str) -> str:
        """The commit it stands on, or "" for the first one."""
        return self.text("show", "-s", "--format=%P", commit)

    def message(self, commit: str) -> str:
        return self.text("show", "-s", "--format=%B", commit)

    def commit_file(self, parent: str, name: str, content: str, message: str) -> str:
        """A commit on `parent` with one file replaced; moves no branch and leaves the working tree alone."""
        blob = self.git("hash-object", "-w", "--stdin", stdin=content.encode()).decode().strip()
        lines = self.text("ls-tree", parent).splitlines()
        tree_lines = [f"100644 blob {blob}\t{name}" if line.endswith(f"\t{name}") else line for line in lines]
        tree = self.git("mktree", stdin=("\n".join(tree_lines) + "\n").encode()).decode().strip()
        return self.git("commit-tree", tree, "-p", parent, stdin=message.encode()).decode().strip()

    def name_experiment(self, number: int, commit: str) -> None:
        """A reference of its own keeps every experiment, discarded ones too, readable for ever."""
        self.git("update-ref", f"refs/experiments/{number:05d}", commit)

    def experiments(self) -> dict[int, str]:
        """Experiment number → commit, from the references."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", "refs/experiments").splitlines()
        return {int(name.rsplit("/", 1)[1]): commit for name, commit in (line.split() for line in lines)}

    def advance(self, commit: str, from_commit: str) -> None:
        """The branch moves to `commit`, provided it still stands at `from_commit`."""
        self.git("update-ref", BRANCH, commit, from_commit)
        self.settle()

    def settle(self) -> None:
        """Bring the index and train.py to the branch's commit (needed after an advance that was interrupted).

        Other files are left alone: program.md belongs to people, who may be editing it.
        """
        lock = self.root / ".git" / "index.lock"
        lock.unlink(missing_ok=True)  # the runner holds the workspace's lock, so a left-over is from a killed run
        self.git("read-tree", BRANCH)
        self.git("checkout-index", "--force", "--quiet", "--", "train.py")

    def changed_files(self) -> list[str]:
        """Tracked files that differ from the branch's commit."""
        return self.text("diff", "--name-only", BRANCH).splitlines()
