"""Connections: the replicas, TLS from files that are read again when they change, and gRPC's settings."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ._kinds import check_text, kind_of, wrong_kind
from ._log import LOG
from ._version import __version__

C = TypeVar("C")
Option = tuple[str, int | str]

# Past the service's own pings, which come every 60 s; twice in a row unanswered, and the connection is given up.
_KEEPALIVE_MS = 75_000
_KEEPALIVE_TIMEOUT_MS = 20_000
# gRPC's own waits between connection attempts would be up to two minutes; the retries here need fresh ones.
_RECONNECT_MS = (100, 2_000)
# A replica that was replaced has another address under the same name.
_RESOLVE_MS = 5_000
# How long a replica that failed is left out while another one may answer: doubled with each failure in a row.
_FIRST_REST, _LONGEST_REST = 0.5, 15.0
_MAX_DOUBLINGS = 10
_OPTIONS: tuple[Option, ...] = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS[0]),
    ("grpc.min_reconnect_backoff_ms", _RECONNECT_MS[0]),
    ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS[1]),
    # Of a name with several addresses each is used, and one that was away is connected to again by itself.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", _RESOLVE_MS),
    ("grpc.primary_user_agent", f"amply-checkpoint-signer/{__version__}"),
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
        for name in ("ca", "certificate", "key"):
            path: object = getattr(self, name)
            if path is not None and not isinstance(path, (str, Path)):
                raise wrong_kind(f"tls: {name}", path, "the path of a PEM file, and not what stands in it")
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
    target: str
    state: object
    calls: int = 0
    retired: bool = False


@dataclass
class _Standing:
    """How a replica has done of late."""

    failures: int = 0
    rests_until: float = 0.0


@dataclass
class Replicas(Generic[C]):
    """The channels to all replicas, used in turn. One that fails rests for a while, and then has its turn again: after
    a restart the load is spread anew. Safe to share among threads.
    """

    targets: list[str]
    tls: Tls | None
    make: Callable[[str, grpc.ChannelCredentials | None, Sequence[Option]], C]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Guarded by the lock.
    _links: dict[int, Link[C]] = field(default_factory=dict)
    _standings: dict[int, _Standing] = field(default_factory=dict)
    _turn: int = 0
    _told: str = ""
    _closed: bool = False
    heard: bool = False
    """Whether any replica has ever answered."""
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        # Many programs that each make one call would all call the first one.
        self._turn = random.randrange(len(self.targets))  # noqa: S311
        self._standings = {place: _Standing() for place in range(len(self.targets))}

    def borrow(self) -> tuple[Link[C], C | None]:
        """A link for one call, and a channel that nobody uses any more, to be closed."""
        with self._lock:
            if self._closed:
                raise ValueError("client: is closed; expected an open one")
            place = self._next()
            old = self._links.get(place)
            link = self._fresh(place, old)
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
        """Lets the replica rest while there are others."""
        with self._lock:
            standing = self._standings[link.place]
            rest = min(_LONGEST_REST, _FIRST_REST * 2.0 ** min(standing.failures, _MAX_DOUBLINGS))
            # Calls that fail together are one failure.
            if standing.rests_until <= self.clock():
                standing.failures += 1
                standing.rests_until = self.clock() + rest

    def answered(self, link: Link[C]) -> None:
        """The replica does well."""
        with self._lock:
            self.heard = True
            self._standings[link.place] = _Standing()

    def _next(self) -> int:
        """Whose turn it is; when all rest, that of the one whose rest ends first."""
        count, now = len(self.targets), self.clock()
        in_turn = [(self._turn + step) % count for step in range(count)]
        rested = (place for place in in_turn if self._standings[place].rests_until <= now)
        place = next(rested, None)
        if place is None:
            place = min(in_turn, key=lambda place: self._standings[place].rests_until)
        self._turn = (place + 1) % count
        return place

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

    def _fresh(self, place: int, old: Link[C] | None) -> Link[C]:
        try:
            # Before the files are read, so that a change meanwhile is seen the next time.
            state = None if self.tls is None else self.tls.state()
            if old is not None and old.state == state:
                return old
            credentials = None if self.tls is None else self.tls.credentials()
        except (OSError, ValueError) as error:
            # A renewal that is half done: the old files were good.
            if old is None:
                raise
            if self._told != str(error):
                self._told = str(error)
                LOG.warning(
                    "tls: the files cannot be used now, and the connection with the old ones goes on: %s", error
                )
            return old
        options = list(_OPTIONS)
        if self.tls is not None and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        target = self.targets[place]
        link = Link(self.make(target, credentials, options), place, target, state)
        self._links[place] = link
        if old is not None:
            LOG.info("tls: the files were renewed; new calls to %s go over a new connection", target)
        return link


def read_targets(servers: str | Sequence[str], tls: Tls | None) -> tuple[list[str], Tls | None]:
    """The addresses for gRPC: of URLs, of HOST:PORT, of either with commas between. `https` means TLS."""
    if tls is not None and not isinstance(tls, Tls):
        raise wrong_kind("tls", tls, "a Tls, for example Tls(ca=...)")
    texts = servers.split(",") if isinstance(servers, str) else _listed(servers)
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


def _listed(servers: object) -> list[str]:
    if not isinstance(servers, (list, tuple)):
        problem = f"server: {kind_of(servers)}; expected an address such as http://127.0.0.1:50051, or a list of them"
        raise TypeError(problem)
    for server in servers:
        check_text("server", server)
    return list(servers)


def _target(text: str) -> str:
    parts = urlsplit(text if "://" in text else f"//{text}")
    if "@" in parts.netloc:
        # Not shown: it may be a password.
        raise ValueError("server: has a user's name; expected HOST:PORT alone, and certificates by tls=Tls(...)")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None or parts.path not in ("", "/"):
        raise ValueError(
            f"server: {text!r} is not the address of a server; expected for example http://127.0.0.1:50051"
        )
    return parts.netloc
