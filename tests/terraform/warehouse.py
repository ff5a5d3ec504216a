"""A native PostgreSQL with TLS and a password, which stands in for the one of RDS."""

import pathlib
import pwd
import shutil
import subprocess

import psycopg

from tools import Failed


def programs():
    """The folder with the programs of the newest PostgreSQL, or None."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    found = folders[-1] if folders else shutil.which("postgres")
    return pathlib.Path(found).parent if found else None


class Warehouse:
    """A server at an address of its own, with one database. It ends with the block."""

    def __init__(self, folder, address, database, username, password, certificate):
        self.folder, self.address = folder, address
        self.database, self.username, self.password = database, username, password
        self.certificate = certificate
        # PostgreSQL refuses to run as root.
        self.user = pwd.getpwnam("postgres")

    def run(self, program, *arguments):
        command = [programs() / program, *arguments]
        log = self.folder / "programs.log"
        with log.open("a") as output:
            done = subprocess.run(command, cwd=self.folder, user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[],
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=120)
        if done.returncode:
            raise Failed(f"{program} ended with {done.returncode}:\n{log.read_text()}")

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name, text in {"password": self.password, "certificate.pem": self.certificate[0], "key.pem": self.certificate[1]}.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        for file in [self.folder, *self.folder.iterdir()]:
            shutil.chown(file, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-U", self.username, "-A", "scram-sha-256", f"--pwfile={self.folder}/password", "-E", "UTF8", "--locale=C.UTF-8",
                 "-N", "-D", "data")
        settings = {"listen_addresses": self.address, "port": 5432, "unix_socket_directories": self.folder, "fsync": "off", "ssl": "on",
                    "ssl_cert_file": self.folder / "certificate.pem", "ssl_key_file": self.folder / "key.pem"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self.run("pg_ctl", "-w", "-t", "60", "-D", "data", "-l", self.folder / "log", "-o", options, "start")
        self.session("postgres").execute(f'CREATE DATABASE "{self.database}"')
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-m", "immediate", "-D", "data", "stop")

    def session(self, database=None):
        return psycopg.connect(host=self.address, port=5432, dbname=database or self.database, user=self.username, password=self.password,
                               sslmode="require", autocommit=True)

    def value(self, query):
        with self.session() as session:
            return session.execute(query).fetchone()[0]
