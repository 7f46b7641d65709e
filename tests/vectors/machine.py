"""Where the parts of this machine are, and the verifiers made of them. A file says, as JSON:

`program` (how one verifies on the command line), `client` (Python that has the client), `python` (Python that has joserfc, rfc8785 and
cryptography), `node`, `modules` (the folder node_modules with jose, canonicalize and the npm package), `folder` (a folder of our own), `cargo`, `built` (a folder
that stays, for what is built).
"""

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from verifiers import HERE, ROOT, Asked, CommandLine, Recipe

PAGE = ROOT / "src/http/page.rs"


@dataclass(frozen=True)
class Machine:
    program: list[str]
    client: str
    python: str
    node: list[str]
    modules: Path
    folder: Path
    cargo: str
    built: Path
    examples: Path = ROOT / "examples"

    @classmethod
    def read(cls, path: Path) -> "Machine":
        told = json.loads(path.read_text(encoding="utf-8"))
        paths = {name: Path(told[name]) for name in ("modules", "folder", "built")}
        return cls(**{**told, **paths})

    def verifiers(self) -> list:
        return [*self.whole(), *self.recipes()]

    def whole(self) -> list:
        """Those that judge everything."""
        page = self.page_module(self.folder / "page")
        return [CommandLine(self.program), self.page(page), self.package(self.modules / "@amply/checkpoint-verify"), self.client_of()]

    def page(self, module: Path) -> Asked:
        return Asked("page", [*self.node, str(HERE / "page.mjs"), str(module)])

    def package(self, folder: Path) -> Asked:
        return Asked("npm package", [*self.node, str(HERE / "package.mjs"), str(folder)])

    def client_of(self, source: Path | None = None) -> Asked:
        """The client as it is installed, or from its source."""
        environment = {} if source is None else {"PYTHONPATH": str(source)}
        return Asked("Python client", [self.client, str(HERE / "client.py")], environment)

    def client_folder(self) -> Path:
        """Where the client is installed."""
        where = "import amply_checkpoint_signer, pathlib; print(pathlib.Path(amply_checkpoint_signer.__file__).parent)"
        return Path(subprocess.run([self.client, "-c", where], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())

    def recipes(self) -> list[Recipe]:
        return [self.recipe(name, self.examples) for name in ("Python", "Node", "openssl")]

    def recipe(self, name: str, folder: Path) -> Recipe:
        """A recipe, as it stands in this folder."""
        work = self.folder / f"recipe-{name}"
        work.mkdir(parents=True, exist_ok=True)
        if name == "Node":
            # Node looks for packages beside the script.
            script = self.modules.parent / f"{work.name}.mjs"
            shutil.copy(folder / "verify-with-node.mjs", script)
            return Recipe("recipe: Node", [*self.node, str(script)], work)
        if name == "Python":
            return Recipe("recipe: Python", [self.python, str(folder / "verify_with_python.py")], work)
        return Recipe("recipe: openssl", ["sh", str(folder / "verify-with-openssl.sh")], work, pem)

    @staticmethod
    def page_module(folder: Path, root: Path = ROOT) -> Path:
        """The page's script as it is served, up to where it draws: its modules in one scope, joined as page.rs does."""
        folder.mkdir(parents=True, exist_ok=True)
        listed = re.findall(r'include_str!\("(.*?\.js)"\)', PAGE.read_text(encoding="utf-8"))
        lines = [
            line.removeprefix("export ")
            for name in listed[: [Path(name).name for name in listed].index("input.js") + 1]
            for line in Path(os.path.normpath(root / "src/http" / name)).read_text(encoding="utf-8").splitlines()
            if not line.startswith("import ")
        ]
        exported = "KeyringError, PinError, Refusal, parseKeyring, pinnedKey, seenTogether, takeApart, textOf, verifyPublished"
        module = folder / "page-of-all.mjs"
        module.write_text("\n".join([*lines, f"export {{ {exported} }};", ""]), encoding="utf-8")
        return module


def pem(keyring: bytes) -> bytes:
    """As `keys export --format pem` writes it, of whatever keys."""
    text = b""
    for key in json.loads(keyring)["keys"]:
        if key.get("kty") != "RSA":
            continue
        n, e = (int.from_bytes(base64.urlsafe_b64decode(key[name] + "=="), "big") for name in ("n", "e"))
        text += f"# {key['kid']} {key['alg']} {key['nbf']} {key['exp']} sha256:-\n".encode() + spki(n, e)
    return text


def spki(n: int, e: int) -> bytes:
    """A SubjectPublicKeyInfo (RFC 5280, section 4.1) with rsaEncryption (RFC 8017, appendix A.1)."""

    def tagged(tag: int, content: bytes) -> bytes:
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x80 + (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag]) + length + content

    def number(value: int) -> bytes:
        return tagged(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    algorithm = tagged(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    public = tagged(0x30, algorithm + tagged(3, b"\0" + tagged(0x30, number(n) + number(e))))
    text = base64.b64encode(public).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode()
