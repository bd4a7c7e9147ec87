"""A private PostgreSQL for tests and benchmarks: its own data folder, a Unix socket, nothing of the machine's touched.

The programs are those under /usr/lib/postgresql/*/bin or on the path. PostgreSQL refuses to run as root, so as root it
runs as the user `postgres`, or `nobody`. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

_USERS = ("postgres", "nobody")
_WAITS_MAX = 400
_WAIT_S = 0.05
#: The first line of its standard input, or its end, ends the server at once.
_GUARD = '"$@" >"$LOG" 2>&1 & p=$!; read -r _; kill -s QUIT $p; wait $p'


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest; None if there is none."""
    versions = Path("/usr/lib/postgresql")
    found = sorted(versions.glob("*/bin/initdb"), key=lambda file: int(file.parts[-3])) if versions.is_dir() else []
    on_path = shutil.which("initdb")
    folder = found[-1].parent if found else Path(on_path).resolve().parent if on_path else None
    return folder if folder is not None and (folder / "postgres").exists() else None


def _user() -> pwd.struct_passwd | None:
    """Whom to become: nobody else unless this is root."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(f"PostgreSQL does not run as root, and there is no user {' or '.join(_USERS)}")


class Cluster:
    """A cluster in a folder of its own. `start` it, `crash` it, start it again, `remove` it.

    options: settings of the server, such as {"fsync": "off"}.
    """

    def __init__(self, options: Mapping[str, str] | None = None, *, folder: str | None = None) -> None:
        binaries = programs()
        assert binaries is not None, "no PostgreSQL on this machine"
        self._binaries = binaries
        self._user = _user()
        self.folder = Path(tempfile.mkdtemp(prefix="einklang-pg-", dir=folder))
        self.options = {"listen_addresses": "", "max_connections": "60", "shared_buffers": "32MB", **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "einklang", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def log(self) -> str:
        """What the server said."""
        file = self.folder / "log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def url(self, database: str = "postgres", schema: str = "einklang") -> str:
        """The address of a home in it."""
        return f"postgresql://einklang@/{database}?host={self.folder}&schema={schema}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        assert self._process is None
        settings = {**self.options, "unix_socket_directories": str(self.folder), "unix_socket_permissions": "0777"}
        told = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = ["sh", "-c", _GUARD, "sh", str(self._binaries / "postgres"), "-D", self._data, *told]
        environment = {"LOG": str(self.folder / "log"), "LC_ALL": "C", "PATH": os.defpath}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd="/", **self._as_user())
        for _ in range(_WAITS_MAX):
            asked = self._run(
                "pg_isready", "-q", "-h", str(self.folder), "-U", "einklang", "-d", "postgres", check=False
            )
            if asked == 0:
                return
            if self._process.poll() is not None:
                break
            self._wait()
        raise RuntimeError(f"PostgreSQL does not start:\n{self.log[-2000:]}")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL, as whoever looks after the database."""
        with psycopg.connect(host=str(self.folder), user="einklang", dbname="postgres", autocommit=True) as connection:
            found = connection.execute(sql.encode())
            return found.fetchall() if found.description else []

    def drop(self, schema: str) -> None:
        """Delete a home's schema."""
        self.ask(f'SET client_min_messages = warning; DROP SCHEMA IF EXISTS "{schema}" CASCADE')

    def crash(self) -> None:
        """End it at once, as `pg_ctl stop -m immediate`: nothing more is written, the next start recovers."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait(60)

    def remove(self) -> None:
        """End it and delete its folder."""
        self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            return

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            cwd="/",
            capture_output=True,
            check=False,
            **self._as_user(),
        )
        if check and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.returncode
