"""`Network`: the proxies and the certificates by which every part of this package reaches a service."""

from __future__ import annotations

import base64
import functools
import importlib.util
import ipaddress
import os
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

import httpx

from ..config import Masked
from ..errors import ConfigurationError

Verify: TypeAlias = bool | str | os.PathLike[str] | ssl.SSLContext

PROXY_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}  # by the schemes of proxies
PORTS: Final = {"http": 80, "https": 443}
PLAIN: Final = {"ws": "http", "wss": "https"}  # a WebSocket goes the way of the scheme that it begins with
LOOPBACK: Final = ("localhost", "127.0.0.0/8", "::1")


@dataclass(frozen=True)
class Network:
    """The way to a service, settled once: REST, WebSockets, the guard and a room of one's own all take it.

    `Network.of` settles it from what the user gave and from the environment, which is not asked again afterwards.

    Args:
        proxies: proxies by the scheme of what they lead to: `http`, `https`, or `all` for the rest. The `source` of
            each names the variable or the argument that it came from.
        exempt: hosts that no proxy leads to, in the forms of `NO_PROXY`.
        verify: True trusts certifi's authorities, False anybody, a path the authorities in that file or folder, and
            an `ssl.SSLContext` decides itself.
        verify_source: names the variable or the argument that `verify` came from.
    """

    proxies: tuple[tuple[str, Masked], ...] = ()
    exempt: tuple[str, ...] = ()
    verify: bool | str | ssl.SSLContext = True
    verify_source: str = "verify"

    @classmethod
    def of(cls, proxy: str | httpx.URL | Masked | None = None, verify: Verify = True) -> Self:
        """Settle the way from what a user gave, in httpx's meaning, and from the environment.

        Args:
            proxy: leads to every address; None takes `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, which
                never apply to this machine's own addresses.
            verify: as for `Network`; True takes `SSL_CERT_FILE` or `SSL_CERT_DIR` where they are set.

        Raises:
            ConfigurationError: the proxy or the certificates that were given cannot be used. What the environment
                names is looked at when it is needed.
        """
        is_address = isinstance(proxy, str | httpx.URL | Masked)
        text = proxy.reveal() if isinstance(proxy, Masked) else str(proxy)
        given = None if proxy is None else Masked(text, "proxy")
        del proxy, text  # a traceback that shows local variables must not show its password
        if given is not None and not is_address:
            raise ConfigurationError("proxy must be an address as text.", remedy="It looks like http://host:port.")
        trusted, source = _trust(verify)
        way = _environment() if given is None else ((("all", _usable(given)),), ())
        network = cls(*way, trusted, source)
        if source == "verify" and isinstance(trusted, str):
            _ = network.tls  # what cannot be read is told now
        return network

    def proxy(self, url: str) -> Masked | None:
        """The proxy that leads to an address, as `scheme://user:password@host:port`; None where the way is direct.

        Args:
            url: an address by http, https, ws or wss.

        Raises:
            ConfigurationError: the environment names a proxy for it that cannot be used.
        """
        parts = urlsplit(url)
        proxies = dict(self.proxies)
        found = proxies.get(_scheme(parts), proxies.get("all"))
        if found is None or any(_covers(rule, parts) for rule in self.exempt):
            return None
        return _usable(found)

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        """What certificates are checked against.

        Raises:
            ConfigurationError: they cannot be read.
        """
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        if self.verify is False:
            return _context(ssl.CERT_NONE, check_hostname=False)
        try:
            return httpx.create_ssl_context(trust_env=False) if self.verify is True else _authorities(self.verify)
        except OSError as failure:
            why = failure.strerror or type(failure).__name__
        raise ConfigurationError(
            f"The certificates that {self.verify_source} names cannot be read ({why}).",
            remedy=f"Let {self.verify_source} name a file of certificates in the form PEM, or a folder of them.",
        )

    def for_http(self, url: str) -> dict[str, Any]:
        """The options of an httpx client, async or not, that calls one address and no other.

        Raises:
            ConfigurationError: its proxy or the certificates cannot be used.
        """
        proxy = self.proxy(url)
        by_tls = proxy is not None and proxy.reveal().startswith("https:")
        return {
            # reading certificates takes long, and http asks for none: so it trusts nobody
            "verify": self.tls if by_tls or _scheme(urlsplit(url)) == "https" else _context(),
            "proxy": None if proxy is None else httpx.Proxy(proxy.reveal(), ssl_context=self.tls if by_tls else None),
            "trust_env": False,
        }

    def for_websocket(self, url: str) -> dict[str, Any]:
        """The options of `websockets.connect` for one address.

        Raises:
            ConfigurationError: its proxy or the certificates cannot be used.
        """
        options: dict[str, Any] = {"proxy": None}
        if _scheme(urlsplit(url)) == "https":
            options["ssl"] = self.tls
        if (proxy := self.proxy(url)) is not None:
            options["proxy"] = proxy.reveal()
            if proxy.reveal().startswith("https:"):
                options["proxy_ssl"] = self.tls
            if proxy.reveal().startswith("socks"):
                _need("python_socks", proxy.source, "python-socks")
        return options

    @property
    def caveat(self) -> str:
        """What of it another process cannot be told, in words for an error; empty where it can be told all."""
        if not isinstance(self.verify, ssl.SSLContext):
            return ""
        return "verify is an ssl.SSLContext: of it only the authorities that it lists can be handed on"

    def told(self) -> dict[str, Any]:
        """All of it as plain JSON, for a process of ours: paths are absolute, passwords are in it.

        Of an `ssl.SSLContext` the authorities go along, and how strict it is; a client's certificate cannot be
        read from it, nor can what it asks of the system's own store: see `caveat`.
        """
        verify: Any = self.verify
        if isinstance(verify, ssl.SSLContext):
            verify = {
                "authorities": [base64.b64encode(one).decode() for one in verify.get_ca_certs(binary_form=True)],
                "check_hostname": verify.check_hostname,
                "verify_mode": int(verify.verify_mode),
                "verify_flags": int(verify.verify_flags),
            }
        return {
            "proxies": [[scheme, proxy.reveal(), proxy.source] for scheme, proxy in self.proxies],
            "exempt": list(self.exempt),
            "verify": verify,
            "verify_source": self.verify_source,
        }

    @classmethod
    def from_told(cls, told: dict[str, Any]) -> Self:
        """The network of which `told` tells."""
        verify = told["verify"]
        if isinstance(verify, dict):
            authorities = b"".join(base64.b64decode(one) for one in verify["authorities"])
            context = _context(ssl.VerifyMode(verify["verify_mode"]), check_hostname=verify["check_hostname"])
            context.verify_flags = ssl.VerifyFlags(verify["verify_flags"])
            if authorities:
                context.load_verify_locations(cadata=authorities)
            verify = context
        proxies = tuple((scheme, Masked(proxy, source)) for scheme, proxy, source in told["proxies"])
        return cls(proxies, tuple(told["exempt"]), verify, told["verify_source"])


def shown(url: str, schemes: Any = tuple(PROXY_PORTS)) -> str | None:
    """Scheme, host and port of an address, without user, password, path and query; None where it is none.

    Args:
        url: the address.
        schemes: those that it may have.
    """
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    return f"{parts.scheme}://{_host(parts)}{port}" if parts.hostname and parts.scheme in schemes else None


def _environment() -> tuple[tuple[tuple[str, Masked], ...], tuple[str, ...]]:
    """The environment's proxies, and what is exempt of them."""
    found = urllib.request.getproxies()
    proxies = tuple(
        (scheme, Masked(found[scheme], f"{scheme.upper()}_PROXY"))
        for scheme in ("http", "https", "all")
        if found.get(scheme)
    )
    return proxies, (*LOOPBACK, *(rule for part in found.get("no", "").split(",") if (rule := part.strip())))


def _trust(verify: Any) -> tuple[Any, str]:
    """What is trusted, and who said so. A path is made absolute: another process may stand elsewhere."""
    if verify is True:
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if named := os.environ.get(variable):
                paths = [named] if variable == "SSL_CERT_FILE" else named.split(os.pathsep)
                return os.pathsep.join(str(Path(path).absolute()) for path in paths), variable
    if isinstance(verify, str | os.PathLike):
        return str(Path(verify).absolute()), "verify"
    if not isinstance(verify, bool | ssl.SSLContext):
        raise ConfigurationError(
            f"verify must be True, False, a path or an ssl.SSLContext, not {type(verify).__name__}.",
            remedy="Give the path of a file with the authorities to trust.",
        )
    return verify, "verify"


def _authorities(path: str) -> ssl.SSLContext:
    if any(Path(folder).is_dir() for folder in path.split(os.pathsep)):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def _context(mode: ssl.VerifyMode = ssl.CERT_REQUIRED, *, check_hostname: bool = True) -> ssl.SSLContext:
    """A context that trusts no authority yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # where it is on, the mode cannot be changed
    context.verify_mode = mode
    context.check_hostname = check_hostname
    return context


def _usable(proxy: Masked) -> Masked:
    """A proxy's address in the one form that every library here understands.

    Raises:
        ConfigurationError: it is none, or needs a package that is not installed.
    """
    address = _normal(proxy.reveal())
    if address is None:
        raise ConfigurationError(f"{proxy.source} is no address of a proxy.", remedy="It looks like http://host:port.")
    if address.startswith("socks"):
        _need("socksio", proxy.source, '"httpx[socks]"')
    return Masked(address, proxy.source)


def _normal(proxy: str) -> str | None:
    """`scheme://user:password@host:port`; None where it is no address."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = PROXY_PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None
    usable = parts.scheme in PROXY_PORTS and port and parts.netloc.isprintable()
    if not usable or not parts.hostname or " " in parts.hostname:
        return None
    user = ""
    if parts.username is not None:
        user, password = (quote(unquote(text), safe="") for text in (parts.username, parts.password or ""))
        user = f"{user}:{password}@"
    return f"{parts.scheme}://{user}{_host(parts)}:{port}"


def _need(module: str, source: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"{source} asks for SOCKS, not installed here.", remedy=f"pip install {package}")


def _covers(rule: str, parts: SplitResult) -> bool:
    """Whether a rule of `NO_PROXY` is about an address: a name with all below it, an address, a network, a port."""
    if rule == "*":
        return True
    scheme, _, rest = rule.lower().rpartition("://")
    port = ""
    if rest.startswith("["):
        inside, _, after = rest[1:].partition("]")
        bits, _, port = after.partition(":")
        rest = inside + bits
    elif rest.count(":") == 1:
        rest, _, port = rest.partition(":")
    if scheme not in ("", "all", _scheme(parts)) or port not in ("", str(parts.port or PORTS.get(_scheme(parts)))):
        return False
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rest, strict=False)
    except ValueError:
        name = rest.removeprefix("*").removeprefix(".")
        return bool(name) and f".{host}".endswith(f".{name}")


def _scheme(parts: SplitResult) -> str:
    return PLAIN.get(parts.scheme, parts.scheme)


def _host(parts: SplitResult) -> str:
    """The host as it stands in an address."""
    return f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
