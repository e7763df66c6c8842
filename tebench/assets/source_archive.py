"""Fetch a source archive by its pinned name through the index that pip is set up for, without building it.

`pip download` would run the archive's setup.py to learn its name; this module asks pip only for its
settings (`pip config list`: files and environment) and reads the index's own page of links (PEP 503).
The caller checks the sha256 and unpacks.
"""

from __future__ import annotations

import ast
import base64
import html.parser
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tebench.base.errors import AssetError

DEFAULT_INDEX = "https://pypi.org/simple"


def download(name: str, filename: str, target: Path) -> None:
    """Write the file called `filename` of project `name` to `target`; AssetError when no place has it."""
    settings = pip_settings()
    tried = []
    project = re.sub(r"[-_.]+", "-", name).lower()
    for place in places(settings, project):
        try:
            if place.get("folder"):
                found = Path(place["folder"]) / filename
                if found.is_file():
                    shutil.copyfile(found, target)
                    return
                tried.append(f"{found}: no such file")
                continue
            page = place["page"]
            with _open(page, settings) as answer:
                links = _Links.of(answer.read(32 << 20).decode("utf-8", errors="replace"))
            link = next((link for link in links if _name_of(link) == filename), None)
            if link is None:
                tried.append(f"{_shown(page)}: lists no {filename}")
                continue
            with _open(urllib.parse.urljoin(page, link), settings) as answer, open(target, "wb") as copy:
                shutil.copyfileobj(answer, copy, 1 << 20)
            return
        except (urllib.error.URLError, ValueError, TimeoutError, ConnectionError) as error:
            tried.append(f"{_shown(place.get('page') or place['folder'])}: {error}")
    raise AssetError(
        f"{filename} could not be fetched: is the network up, and does pip's index have {name}? "
        f"Packages fetched before need no network. Tried: {'; '.join(tried) or 'nothing (pip has no index)'}"
    )


def pip_settings() -> dict[str, str]:
    """pip's settings by name (index-url, extra-index-url, find-links, cert, proxy ...), environment over files."""
    command = [sys.executable, "-P", "-m", "pip", "config", "list", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode:
        raise AssetError(f"pip does not tell its settings: {(done.stderr or done.stdout).strip()[-300:]}")
    rows = [line.split("=", 1) for line in done.stdout.splitlines() if "=" in line]
    found = {}
    # Later wins, as in pip: all commands, the download command, the environment.
    for section in ("global", "download", ":env:"):
        for key, value in rows:
            where, _, setting = key.strip().rpartition(".")
            if where == section:
                found[setting.replace("_", "-")] = str(ast.literal_eval(value.strip()))
    return found


def places(settings: dict[str, str], project: str) -> list[dict[str, str]]:
    """Where to look for a project, in order: folders of find-links, then its page, or folder, of each index."""
    found = [{"folder": _path(word)} for word in settings.get("find-links", "").split() if _path(word)]
    if settings.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        for url in (settings.get("index-url", DEFAULT_INDEX), *settings.get("extra-index-url", "").split()):
            folder = _path(url)
            found.append({"folder": f"{folder}/{project}"} if folder else {"page": f"{url.rstrip('/')}/{project}/"})
    return found


def _path(word: str) -> str:
    """The folder that a `file://` address or a plain path names; "" for anything on a network."""
    parts = urllib.parse.urlsplit(word)
    if parts.scheme == "file":
        return urllib.request.url2pathname(parts.path)
    return "" if "://" in word else os.path.expanduser(word)


def _open(url: str, settings: dict[str, str]):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"address {_shown(url)!r} is not http(s)")
    headers = {"Accept": "text/html, */*;q=0.1", "User-Agent": "tebench"}
    if parts.username:
        word = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(word.encode()).decode()
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    handlers: list = [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=settings.get("cert")))]
    if settings.get("proxy"):
        handlers.append(urllib.request.ProxyHandler({"http": settings["proxy"], "https": settings["proxy"]}))
    timeout = float(settings.get("timeout") or settings.get("default-timeout") or 60)
    return urllib.request.build_opener(*handlers).open(urllib.request.Request(url, headers=headers), timeout=timeout)


def _shown(url: str) -> str:
    """The address without a user's name and password."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _name_of(link: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(link).path.rpartition("/")[2])


class _Links(html.parser.HTMLParser):
    """The `href` of every link of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for key, value in attrs if tag == "a" and key == "href" and value]

    @classmethod
    def of(cls, page: str) -> list[str]:
        reader = cls()
        reader.feed(page)
        return reader.found
