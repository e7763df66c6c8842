"""The network is used by tebench/assets alone; everything else runs without it."""

import ast
import sys
from pathlib import Path

import fault_rooms as rooms
import pytest

import tebench

ROOT = Path(tebench.__file__).parent
NETWORK = {"urllib", "http", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "socketserver", "xmlrpc",
           "webbrowser", "subprocess", "asyncio"}  # fmt: skip
# What libraries offer: names under which torch, MONAI and pandas would fetch something.
FETCHING = {"hub", "load_state_dict_from_url", "download_url", "download_and_extract", "urlopen", "urlretrieve"}

REFUSED = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "subprocess.Popen",
           "os.system", "os.posix_spawn", "os.exec"}  # fmt: skip


def _reaches_out(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names} & NETWORK
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {(node.module or "").split(".")[0]} & NETWORK
            found |= {alias.name for alias in node.names} & FETCHING
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & FETCHING
            if isinstance(node.value, ast.Name) and node.value.id == "socket" and node.attr != "gethostname":
                found.add(f"socket.{node.attr}")
    return found


def test_only_assets_hold_code_that_reaches_a_network():
    baselines = Path(sys.modules["tebench"].__path__[0]).parent / "baselines"
    files = [*ROOT.rglob("*.py"), *baselines.glob("*.py")]
    found = {
        path.relative_to(ROOT.parent).as_posix(): _reaches_out(ast.parse(path.read_text("utf-8"))) for path in files
    }
    assert len(files) > 150
    assert {name for name, what in found.items() if what} == {
        "tebench/assets/fetch.py", "tebench/assets/source_archive.py",
        "tebench/research/registration/history.py",  # asks git for the order of this repository's commits
    }, {name: what for name, what in found.items() if what}  # fmt: skip


@pytest.mark.parametrize("text", ["import urllib.request", "from torch import hub", "torch.hub.load('x')",
                                  "import socket\nsocket.create_connection(('a', 1))"])  # fmt: skip
def test_the_check_sees_what_it_should(text):
    assert _reaches_out(ast.parse(text))


def _without_network():
    """No name is looked up, no connection made, no program started; an error that tebench does not catch says so."""

    def watch(event, arguments):
        if event in REFUSED:
            raise SystemError(f"{event} {arguments!r}")

    sys.addaudithook(watch)


@pytest.fixture(scope="module")
def world(tiny_rooms, tmp_path_factory):
    return tmp_path_factory.mktemp("offline")


def test_extraction_scoring_and_fine_tuning_need_no_network(world):
    calm = {}
    for name, room in rooms.ROOMS.items():
        calm[name] = rooms.start_of(room, world / name, calm)
        ended = rooms.run(room, calm[name], setup=_without_network)
        assert ended.status == "done", ended.said


def test_the_watch_is_awake(world):
    def work(_):
        import socket

        socket.getaddrinfo("localhost", 80)

    ended = rooms.Child(work, world, setup=_without_network).finish()
    assert ended.status == "crash" and "socket.getaddrinfo" in ended.said
