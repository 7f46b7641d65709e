"""Connections: the replicas, TLS from files that are read again when they change, and gRPC's settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

C = TypeVar("C")
Option = tuple[str, int | str]

# Past the service's own pings, which come every 60 s; twice in a row unanswered, and the connection is given up.
_KEEPALIVE_MS = 75_000
_KEEPALIVE_TIMEOUT_MS = 20_000
# gRPC's own waits between connection attempts would be up to two minutes; the retries here need fresh ones.
_RECONNECT_MS = (100, 2_000)
_OPTIONS: tuple[Option, ...] = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS[0]),
    ("grpc.min_reconnect_backoff_ms", _RECONNECT_MS[0]),
    ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS[1]),
    # Retries are made here, by the contract.
    ("grpc.enable_retries", 0),
    # A new certificate needs a new connection, never one that another channel has open.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class Tls:
    """TLS, from PEM files. They are looked at before each call: a renewed certificate needs no restart."""

    ca: str | Path | None = None
    """The authority of the service's certificate; without it, the machine's authorities."""
    certificate: str | Path | None = None
    """The certificate to show, and those above it."""
    key: str | Path | None = None
    """Its private key, unencrypted."""
    server_name: str | None = None
    """The name in the service's certificate, if it is not that of the address."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls: has one of certificate and key; expected both or none")

    def paths(self) -> list[Path]:
        """The files that there are."""
        return [Path(path) for path in (self.ca, self.certificate, self.key) if path is not None]

    def state(self) -> object:
        """What changes when a file does."""
        stats = [path.stat() for path in self.paths()]
        return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats]

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files; raises OSError or ValueError when they cannot be used."""
        ca, certificate, key = (None if path is None else Path(path).read_bytes() for path in self._files())
        if certificate is not None and key is not None and not _belong_together(certificate, key):
            raise ValueError(f"tls: {self.key} is not the key of {self.certificate}")
        return grpc.ssl_channel_credentials(ca, key, certificate)

    def _files(self) -> tuple[str | Path | None, ...]:
        return self.ca, self.certificate, self.key


def _belong_together(certificate: bytes, key: bytes) -> bool:
    """Whether a renewal has written both files, or only one of them so far."""
    der = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = x509.load_pem_x509_certificate(certificate).public_key().public_bytes(*der)
    return public == load_pem_private_key(key, password=None).public_key().public_bytes(*der)


@dataclass
class Link(Generic[C]):
    """A channel to one replica, and how many calls are on it."""

    channel: C
    place: int
    state: object
    calls: int = 0
    retired: bool = False


@dataclass
class Replicas(Generic[C]):
    """The channels to all replicas. The first that answers is used until it fails. Safe to share among threads."""

    targets: list[str]
    tls: Tls | None
    make: Callable[[str, grpc.ChannelCredentials | None, Sequence[Option]], C]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Guarded by the lock.
    _links: dict[int, Link[C]] = field(default_factory=dict)
    _place: int = 0
    _closed: bool = False

    def borrow(self) -> tuple[Link[C], C | None]:
        """A link for one call, and a channel that nobody uses any more, to be closed."""
        with self._lock:
            if self._closed:
                raise ValueError("client: is closed; expected an open one")
            old = self._links.get(self._place)
            link = self._fresh(old)
            link.calls += 1
            if old is None or link is old:
                return link, None
            old.retired = True
            return link, old.channel if old.calls == 0 else None

    def give_back(self, link: Link[C]) -> C | None:
        """Ends a call; gives the channel if it is to be closed."""
        with self._lock:
            link.calls -= 1
            return link.channel if link.retired and link.calls == 0 else None

    def failed(self, link: Link[C]) -> None:
        """Goes on to the next replica, unless another call has done so."""
        with self._lock:
            if self._place == link.place:
                self._place = (link.place + 1) % len(self.targets)

    def renewed(self, link: Link[C]) -> bool:
        """Whether a new link would show other certificates than this one does."""
        with self._lock:
            try:
                return link.retired or (self.tls is not None and self.tls.state() != link.state)
            except OSError:
                return False

    def close(self) -> list[C]:
        """The channels to be closed, whatever is on them."""
        with self._lock:
            self._closed = True
            channels = [link.channel for link in self._links.values()]
            self._links.clear()
            return channels

    def _fresh(self, old: Link[C] | None) -> Link[C]:
        try:
            # Before the files are read, so that a change meanwhile is seen the next time.
            state = None if self.tls is None else self.tls.state()
            if old is not None and old.state == state:
                return old
            credentials = None if self.tls is None else self.tls.credentials()
        except (OSError, ValueError):
            # A renewal that is half done: the old files were good.
            if old is not None:
                return old
            raise
        options = list(_OPTIONS)
        if self.tls is not None and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        link = Link(self.make(self.targets[self._place], credentials, options), self._place, state)
        self._links[self._place] = link
        return link


def read_targets(servers: str | Sequence[str], tls: Tls | None) -> tuple[list[str], Tls | None]:
    """The addresses for gRPC: of URLs, of HOST:PORT, of either with commas between. `https` means TLS."""
    texts = servers.split(",") if isinstance(servers, str) else list(servers)
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise ValueError("server: is empty; expected for example http://127.0.0.1:50051")
    schemes = {urlsplit(text).scheme if "://" in text else "" for text in texts}
    if len(schemes) > 1 or not schemes <= {"", "http", "https"}:
        raise ValueError(f"server: {texts} differ in scheme, or have none of http and https; expected one for all")
    scheme = schemes.pop()
    if scheme == "http" and tls is not None:
        raise ValueError("server: begins with http, and tls is given; expected https")
    if scheme == "https" and tls is None:
        tls = Tls()
    return [_target(text) for text in texts], tls


def _target(text: str) -> str:
    parts = urlsplit(text if "://" in text else f"//{text}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None or parts.path not in ("", "/"):
        raise ValueError(
            f"server: {text!r} is not the address of a server; expected for example http://127.0.0.1:50051"
        )
    return parts.netloc
