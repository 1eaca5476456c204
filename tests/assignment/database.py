"""A server of PostgreSQL's for tests: in a folder of its own, without a port."""

import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psycopg

# Debian keeps its programs outside PATH.
_DEBIAN = "/usr/lib/postgresql"


def programs() -> Path | None:
    """The folder of its programs, if it is installed."""
    found = sorted(Path(_DEBIAN).glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@dataclass
class Server:
    """Runs until it is deleted.

    Attributes:
        folder: which its user may enter.
        as_user: the words before its commands, as it refuses to be root.
    """

    programs: Path
    folder: Path
    as_user: list[str]

    @classmethod
    def make(cls, programs: Path) -> "Server":
        # Not a folder of pytest's: those above it belong to root alone.
        folder, as_user = Path(mkdtemp(prefix="postgresql-")), []
        if os.geteuid() == 0:
            name = "postgres" if "postgres" in [user.pw_name for user in pwd.getpwall()] else "nobody"
            user = pwd.getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        server = cls(programs, folder, as_user)
        words = [
            "initdb",
            f"--pgdata={folder}/data",
            "--username=grader",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]
        server._call(*words)
        server.start()
        return server

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://grader@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self._call("pg_ctl", "start", "-w", "-D", f"{self.folder}/data", "-o", options, "-l", f"{self.folder}/log")
        with psycopg.connect(host=str(self.folder), user="grader", dbname="postgres"):
            pass

    def restart(self) -> None:
        """Ends all connections."""
        self.stop()
        time.sleep(1)
        self.start()

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "-w", "-m", "fast", "-D", f"{self.folder}/data")

    def delete(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _call(self, program: str, *words: str) -> None:
        line = [*self.as_user, str(self.programs / program), *words]
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", env={})
        assert done.returncode == 0, done.stdout
