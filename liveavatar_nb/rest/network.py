"""`Network`: the proxies and certificates that every part of this package uses to reach a service."""

from __future__ import annotations

import base64
import functools
import importlib.util
import ipaddress
import os
import ssl
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

import httpx
from msgspec import Struct

from ..config import Masked
from ..errors import ConfigurationError
from .libraries import classes

if TYPE_CHECKING:
    import httpx2

Verify: TypeAlias = bool | str | os.PathLike[str] | ssl.SSLContext

PROXY_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}  # default port for each proxy scheme
PORTS: Final = {"http": 80, "https": 443}
PLAIN: Final = {"ws": "http", "wss": "https"}  # a WebSocket uses the proxy that is set for its handshake's scheme
LOOPBACK: Final = ("localhost", "127.0.0.0/8", "::1")


class Network(Struct, frozen=True, dict=True):
    """The proxies and certificates for reaching a service.

    REST, WebSockets, the guard and your own rooms all use them. `Network.of` reads the user's arguments and the
    environment once; the environment isn't read again afterwards.

    Args:
        proxies: Proxies by the URL scheme that they apply to: `http`, `https`, or `all` for the rest. Each proxy's
            `source` names the variable or argument it came from.
        exempt: Hosts to reach without a proxy, in the syntax of `NO_PROXY`.
        verify: True trusts certifi's authorities, False trusts any certificate, a path trusts the authorities in that
            file or folder, and an `ssl.SSLContext` is used unchanged.
        verify_source: The variable or argument that `verify` came from.
    """

    proxies: tuple[tuple[str, Masked], ...] = ()
    exempt: tuple[str, ...] = ()
    verify: bool | str | ssl.SSLContext = True
    verify_source: str = "verify"

    @classmethod
    def of(cls, proxy: str | httpx.URL | httpx2.URL | Masked | None = None, verify: Verify = True) -> Self:
        """Create a network from the environment and the user's arguments, which mean the same as in httpx.

        Args:
            proxy: The proxy for every URL. None uses `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, but
                never for this machine's own addresses.
            verify: As for `Network`; True uses `SSL_CERT_FILE` or `SSL_CERT_DIR` if they are set.

        Raises:
            ConfigurationError: `proxy` or `verify` is invalid. Values from the environment are checked when used.
        """
        is_address = isinstance(proxy, (str, Masked, *classes("URL")))
        text = proxy.reveal() if isinstance(proxy, Masked) else str(proxy)
        given = None if proxy is None else Masked(text, "proxy")
        del proxy, text  # keep the proxy's password out of tracebacks that print local variables
        if given is not None and not is_address:
            raise ConfigurationError("proxy must be a URL string.", remedy="It should look like http://host:port.")
        trusted, source = _trust(verify)
        proxies, exempt = _read_environment() if given is None else ((("all", _normalize_proxy(given)),), ())
        network = cls(proxies, exempt, trusted, source)
        if source == "verify" and isinstance(trusted, str):
            _ = network.tls  # fail now, not later, if the certificates can't be read
        return network

    def proxy(self, url: str) -> Masked | None:
        """Return the proxy for a URL as `scheme://user:password@host:port`, or None if it needs no proxy.

        Args:
            url: An http, https, ws or wss URL.

        Raises:
            ConfigurationError: The environment's proxy for this URL is invalid.
        """
        parts = urlsplit(url)
        proxies = dict(self.proxies)
        proxy = proxies.get(_scheme(parts), proxies.get("all"))
        if proxy is None or any(_covers(rule, parts) for rule in self.exempt):
            return None
        return _normalize_proxy(proxy)

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        """The TLS context used to check certificates.

        Raises:
            ConfigurationError: The certificate authorities can't be read.
        """
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        if self.verify is False:
            return _new_context(ssl.CERT_NONE, check_hostname=False)
        try:
            return httpx.create_ssl_context(trust_env=False) if self.verify is True else _load_authorities(self.verify)
        except OSError as failure:
            why = failure.strerror or type(failure).__name__
        raise ConfigurationError(
            f"The certificates in {self.verify_source} can't be read ({why}).",
            remedy=f"Set {self.verify_source} to a PEM file of certificates, or to a folder of such files.",
        )

    def for_http(self, url: str) -> dict[str, Any]:
        """Return the options for an httpx client, sync or async, that only calls this URL.

        Raises:
            ConfigurationError: The proxy or the certificates are invalid.
        """
        proxy = self.proxy(url)
        is_tls_proxy = proxy is not None and proxy.reveal().startswith("https:")
        proxy_tls = self.tls if is_tls_proxy else None
        return {
            # reading certificates is slow; plain http doesn't need them, and gets a context that trusts nobody
            "verify": self.tls if is_tls_proxy or _scheme(urlsplit(url)) == "https" else _new_context(),
            "proxy": None if proxy is None else httpx.Proxy(proxy.reveal(), ssl_context=proxy_tls),
            "trust_env": False,
        }

    def for_websocket(self, url: str) -> dict[str, Any]:
        """Return the options to pass to `websockets.connect` for a URL.

        Raises:
            ConfigurationError: The proxy or the certificates are invalid.
        """
        options: dict[str, Any] = {"proxy": None}
        if _scheme(urlsplit(url)) == "https":
            options["ssl"] = self.tls
        if (proxy := self.proxy(url)) is not None:
            options["proxy"] = proxy.reveal()
            if proxy.reveal().startswith("https:"):
                options["proxy_ssl"] = self.tls
            if proxy.reveal().startswith("socks"):
                _require("python_socks", proxy.source, "python-socks")
        return options

    @property
    def caveat(self) -> str:
        """What can't be passed to another process, phrased for an error message; empty if everything can be passed."""
        if not isinstance(self.verify, ssl.SSLContext):
            return ""
        return "verify is an ssl.SSLContext, and only the authorities that it lists can be passed to another process"

    def to_json(self) -> dict[str, Any]:
        """Return the network as plain JSON, including passwords, for another of our processes to use.

        An `ssl.SSLContext` is reduced to its listed authorities and its verification settings. Client certificates
        and authorities from the system's own store are lost, since they can't be read (see `caveat`).
        """
        verify: Any = self.verify
        if isinstance(verify, ssl.SSLContext):
            verify = {
                "authorities": [base64.b64encode(der).decode() for der in verify.get_ca_certs(binary_form=True)],
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
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Create a network from the JSON that `to_json` returned."""
        verify = data["verify"]
        if isinstance(verify, dict):
            authorities = b"".join(base64.b64decode(der) for der in verify["authorities"])
            context = _new_context(ssl.VerifyMode(verify["verify_mode"]), check_hostname=verify["check_hostname"])
            context.verify_flags = ssl.VerifyFlags(verify["verify_flags"])
            if authorities:
                context.load_verify_locations(cadata=authorities)
            verify = context
        proxies = tuple((scheme, Masked(proxy, source)) for scheme, proxy, source in data["proxies"])
        return cls(proxies, tuple(data["exempt"]), verify, data["verify_source"])


def shown(url: str, schemes: Any = tuple(PROXY_PORTS)) -> str | None:
    """Return only a URL's scheme, host and port, or None if the URL is invalid.

    Args:
        url: The URL.
        schemes: The allowed schemes.
    """
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    return f"{parts.scheme}://{_host(parts)}{port}" if parts.hostname and parts.scheme in schemes else None


def _read_environment() -> tuple[tuple[tuple[str, Masked], ...], tuple[str, ...]]:
    """Return the environment's proxies, and the hosts exempt from them."""
    found = urllib.request.getproxies()
    proxies = tuple(
        (scheme, Masked(found[scheme], f"{scheme.upper()}_PROXY"))
        for scheme in ("http", "https", "all")
        if found.get(scheme)
    )
    return proxies, (*LOOPBACK, *(rule for part in found.get("no", "").split(",") if (rule := part.strip())))


def _trust(verify: Any) -> tuple[Any, str]:
    """Return the value of `verify` to use, and the variable or argument it came from.

    Paths are made absolute, since another process may run in another folder.
    """
    if verify is True:
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if value := os.environ.get(variable):
                paths = [value] if variable == "SSL_CERT_FILE" else value.split(os.pathsep)
                return os.pathsep.join(str(Path(path).absolute()) for path in paths), variable
    if isinstance(verify, str | os.PathLike):
        return str(Path(verify).absolute()), "verify"
    if not isinstance(verify, bool | ssl.SSLContext):
        raise ConfigurationError(
            f"verify must be True, False, a path or an ssl.SSLContext, not {type(verify).__name__}.",
            remedy="Pass the path of a file with the certificate authorities to trust.",
        )
    return verify, "verify"


def _load_authorities(path: str) -> ssl.SSLContext:
    if any(Path(folder).is_dir() for folder in path.split(os.pathsep)):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def _new_context(mode: ssl.VerifyMode = ssl.CERT_REQUIRED, *, check_hostname: bool = True) -> ssl.SSLContext:
    """Return a TLS context that doesn't trust any authority yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # verify_mode can't be relaxed while check_hostname is on
    context.verify_mode = mode
    context.check_hostname = check_hostname
    return context


def _normalize_proxy(proxy: Masked) -> Masked:
    """Return a proxy's URL in the form that all our libraries understand.

    Raises:
        ConfigurationError: The URL is invalid, or needs a package that is not installed.
    """
    address = _normalize(proxy.reveal())
    if address is None:
        raise ConfigurationError(
            f"{proxy.source} is not a valid proxy URL.", remedy="It should look like http://host:port."
        )
    if address.startswith("socks"):
        _require("socksio", proxy.source, '"httpx[socks]"')
    return Masked(address, proxy.source)


def _normalize(proxy: str) -> str | None:
    """Return a proxy's URL as `scheme://user:password@host:port`, or None if it is invalid."""
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


def _require(module: str, source: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(
            f"{source} needs SOCKS support, which is not installed.", remedy=f"Run `pip install {package}`."
        )


def _covers(rule: str, parts: SplitResult) -> bool:
    """Return whether a `NO_PROXY` rule covers a URL.

    A rule is a domain (with its subdomains), an address or a network, optionally with a scheme or a port.
    """
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
    """Return the host as it is written in a URL, with an IPv6 address in brackets."""
    return f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
