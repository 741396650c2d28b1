"""What a user installs: built from an sdist, by the node of a build requirement, and complete."""

from __future__ import annotations

import email
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

import liveavatar_nb

ROOT = Path(__file__).resolve().parents[1]
HOOK = Path("liveavatar_nb/frontend/build_hook.py")
STATIC = {"THIRD_PARTY_LICENSES.txt", "loader.js", "media.js", "widgets.css", "widgets.js"}
NOTEBOOKS = {"01_quickstart.ipynb", "02_studio_demo.ipynb", "03_speech_lite.ipynb", "07_account.ipynb"}
BUILD_LIMIT = 110  # s
LARGEST_WHEEL = 1_000_000  # bytes

BUILD_WHEEL = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
BUILD_FRONTEND = [sys.executable, str(HOOK), "build"]


def environment(folder: Path) -> dict[str, str]:
    """The environment with a node and an npm first on the PATH that fail, and leave a trace, if used."""
    fakes = folder / "bin"
    fakes.mkdir()
    for name in ("node", "npm", "npx"):
        (fakes / name).write_text(f'#!/bin/sh\necho "$0 $*" >> "{fakes}/used"\nexit 1\n')
        (fakes / name).chmod(0o755)
    return os.environ | {"PATH": f"{fakes}{os.pathsep}{os.environ['PATH']}"}


def run(command: list[str], cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An sdist of this checkout, and a wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("built")
    env = environment(folder)
    run([*BUILD_WHEEL, str(folder / "dist"), str(ROOT)], folder, env)
    assert not (folder / "bin" / "used").exists(), (folder / "bin" / "used").read_text()
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return sdist, wheel


def unpack(sdist: Path, folder: Path) -> Path:
    """A tree to build in, with nothing built."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:  # Python 3.11.2, which Debian 12 has
            archive.extractall(folder)
    (tree,) = folder.glob("liveavatar_nb-*")
    return tree


@pytest.fixture
def unpacked(built: tuple[Path, Path], tmp_path: Path) -> Path:
    return unpack(built[0], tmp_path)


@pytest.fixture(scope="module")
def editable(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tree that was installed with -e, and the wheel that this makes."""
    folder = tmp_path_factory.mktemp("editable")
    tree = unpack(built[0], folder)
    env = environment(folder)
    code = "import sys, hatchling.build; print(hatchling.build.build_editable(sys.argv[1]))"
    run([sys.executable, "-c", code, str(folder)], tree, env)
    assert not (folder / "bin" / "used").exists()
    (wheel,) = folder.glob("*.whl")
    return tree, wheel


def hook() -> ModuleType:
    specification = importlib.util.spec_from_file_location("build_hook", ROOT / HOOK)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What is installed here


def test_the_package_under_test_has_its_pages() -> None:
    package = Path(liveavatar_nb.__file__).parent
    assert {path.name for path in (package / "static").iterdir()} >= STATIC
    assert (package / "py.typed").is_file()


def test_an_ordinary_installation_is_what_the_tests_import() -> None:
    """Not the checkout's tree, although pytest runs in it."""
    try:
        origin = importlib.metadata.distribution("liveavatar-nb").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("liveavatar_nb is not installed, it is imported from a tree")
    if origin and json.loads(origin).get("dir_info", {}).get("editable"):
        pytest.skip("liveavatar_nb is installed with -e")
    assert Path(liveavatar_nb.__file__).is_relative_to(sysconfig.get_path("purelib"))


# The archives


def test_the_sdist_has_the_sources_and_nothing_built(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    frontend = {name for name in names if name.startswith("liveavatar_nb/frontend/")}
    assert {str(HOOK), "liveavatar_nb/frontend/package-lock.json", "liveavatar_nb/frontend/.npmrc"} <= frontend
    assert any(name.endswith(".tsx") for name in frontend)
    assert {"README.md", "pyproject.toml"} | {f"notebooks/{name}" for name in NOTEBOOKS} <= names
    assert not [name for name in names if "node_modules" in name or "/static/" in name or "__pycache__" in name]


def test_the_wheel_is_complete_and_small(built: tuple[Path, Path]) -> None:
    wheel = built[1]
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = email.message_from_bytes(
            archive.read(f"liveavatar_nb-{liveavatar_nb.__version__}.dist-info/METADATA")
        )
    assert {f"liveavatar_nb/static/{name}" for name in STATIC} <= names
    assert {f"liveavatar_nb/notebooks/{name}" for name in NOTEBOOKS} <= names
    assert "liveavatar_nb/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "liveavatar_nb",
        f"liveavatar_nb-{liveavatar_nb.__version__}.dist-info",
    }
    assert not [name for name in names if "frontend" in name or name.endswith((".ts", ".tsx", ".map"))]
    assert wheel.stat().st_size < LARGEST_WHEEL
    assert set(metadata.get_all("Provides-Extra", [])) == {"audio", "demo", "media", "test"}


def test_the_wheel_says_what_it_is(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        info = f"liveavatar_nb-{liveavatar_nb.__version__}.dist-info"
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        licence = archive.read(f"{info}/licenses/liveavatar_nb/LICENSE")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"] == "liveavatar_nb contributors"
    assert metadata.get_all("License-File") == ["liveavatar_nb/LICENSE"]
    assert b"Apache License" in licence
    assert not metadata.get_all("Project-URL")
    package = json.loads((ROOT / "liveavatar_nb" / "frontend" / "package.json").read_text())
    assert package["license"] == metadata["License-Expression"]


def test_an_index_would_take_it(built: tuple[Path, Path]) -> None:
    run([sys.executable, "-m", "twine", "check", "--strict", *map(str, built)], built[0].parent, os.environ)


@pytest.mark.timeout(2 * BUILD_LIMIT + 20)  # builds twice, if it runs alone
def test_the_same_sources_make_the_same_archives(
    built: tuple[Path, Path], unpacked: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bit for bit, at another time, and the wheel in another folder."""
    again = tmp_path_factory.mktemp("again")
    for what, tree in ("--sdist", ROOT), ("--wheel", unpacked):
        run([*BUILD_WHEEL, str(again), what, str(tree)], again, os.environ | {"TZ": "Asia/Tokyo"})
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in again.glob("liveavatar_nb*")} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in built
    }


def test_the_wheel_works_where_the_checkout_is_not(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from liveavatar_nb.cli import demo\n"
        "from liveavatar_nb.widgets.front_end import CODE\n"
        "print(demo.notebooks_folder()); print(len(CODE))"
    )
    notebooks, script = run([sys.executable, "-P", "-c", code], tmp_path, os.environ).split()
    assert Path(notebooks) == tmp_path / "site" / "liveavatar_nb" / "notebooks"
    assert int(script) > 0


def test_an_editable_installation_builds_in_the_tree(editable: tuple[Path, Path]) -> None:
    tree, wheel = editable
    assert {path.name for path in (tree / "liveavatar_nb" / "static").iterdir()} >= STATIC
    assert not (tree / "liveavatar_nb" / "frontend" / "node_modules").exists()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (pth,) = [name for name in names if name.endswith(".pth")]
        assert Path(archive.read(pth).decode().strip()) == tree
    assert not [name for name in names if name.endswith(".ipynb")], "they are found in the checkout"


# The licences of what is in the bundles

PACKAGE = re.compile(r".*\bnode_modules/((?:@[^/]+/)?[^/]+)/")


def inputs(folder: Path, module: ModuleType) -> set[str]:
    """The npm packages that the bundles are made of, as esbuild and the maps of what is already bundled name them."""
    entries = [*folder.glob("src/widgets/*.ts*"), folder / "src" / "room" / "media" / "index.ts"]
    options = ["--bundle", "--minify", "--format=esm", "--jsx=automatic", "--jsx-import-source=preact", "--outdir=out"]
    module.npm(folder, "exec", "--", "esbuild", *map(str, entries), *options, "--metafile=meta.json")
    outputs = json.loads((folder / "meta.json").read_text())["outputs"].values()
    found: set[str] = set()
    for name in {name for output in outputs for name, use in output["inputs"].items() if use["bytesInOutput"]}:
        if match := PACKAGE.match(name):
            found.add(match[1])
            beside = folder / f"{name}.map"
            sources = json.loads(beside.read_text())["sources"] if beside.is_file() else []
            found |= {inner[1] for inner in map(PACKAGE.match, sources) if inner}
    return found


def test_the_licences_of_what_is_bundled_are_shipped(built: tuple[Path, Path], tmp_path: Path) -> None:
    module = hook()
    bundled = inputs(module._copy(tmp_path, "--omit=dev"), module)
    assert {"preact", "lucide-preact", "livekit-client", "webrtc-adapter", "jose", "sdp", "events"} <= bundled
    with zipfile.ZipFile(built[1]) as archive:
        _, *parts = archive.read("liveavatar_nb/static/THIRD_PARTY_LICENSES.txt").decode().split(f"\n{'=' * 80}\n")
    texts = {part.split(maxsplit=1)[0]: part for part in parts}
    # Bundled, but by no map: LiveKit's messages and a compiler's helpers, and an interface that leaves no trace.
    assert texts.keys() == bundled | {"@livekit/protocol", "tslib", "typed-emitter"}
    for name, text in texts.items():
        first, second, *rest = text.splitlines()
        assert re.fullmatch(rf"{name} \d+\.\d+\.\d+", first)
        assert re.fullmatch(r"Licence: .*(MIT|ISC|0BSD|BSD-3-Clause|Apache-2\.0).*", second), second
        assert re.search(r"[Pp]ermission|Redistribution|Apache License", "\n".join(rest)), name
    # what only comments of bundled files say
    assert "Copyright 2008 Google Inc." in texts["@bufbuild/protobuf"]
    assert "ts-debounce" in texts["livekit-client"]


# The build hook


def test_it_builds_again_only_what_changed(editable: tuple[Path, Path], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(editable[0], tree)
    static = tree / "liveavatar_nb" / "static"
    first = contents(static)
    assert "up to date" in run(BUILD_FRONTEND, tree, os.environ)

    (static / "widgets.js").write_text("// another build")
    (static / "left_over.js").write_text("// of an older version")
    assert "npm" in run(BUILD_FRONTEND, tree, os.environ)
    assert contents(static) == first

    with (tree / "liveavatar_nb" / "frontend" / "src" / "widgets.css").open("a") as style:
        style.write("\n.lv-changed { color: red; }\n")
    assert "npm" in run(BUILD_FRONTEND, tree, os.environ)
    assert b"lv-changed" in contents(static)["widgets.css"]


def test_a_registry_out_of_reach_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
    module = hook()
    with pytest.raises(module.FrontendBuildError) as caught:
        module._copy(tmp_path / "copy", "--omit=dev")
    told = str(caught.value)
    for words in ("`npm ci", "ECONNREFUSED", "Check that this machine reaches npm's registry", "install again"):
        assert words in told


def test_sources_that_do_not_pass_are_told_with_the_place(unpacked: Path) -> None:
    shutil.rmtree(unpacked / "liveavatar_nb" / "frontend" / "src" / "components")
    done = subprocess.run(
        BUILD_FRONTEND, cwd=unpacked, capture_output=True, text=True, timeout=BUILD_LIMIT, check=False
    )
    assert done.returncode == 1
    assert "`npm run build` failed in liveavatar_nb/frontend" in done.stderr
    assert "components" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (unpacked / "liveavatar_nb" / "static").exists(), "a failed build leaves nothing"


def test_no_registry_is_named() -> None:
    lock = (ROOT / "liveavatar_nb" / "frontend" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    for path in (ROOT / "pyproject.toml", ROOT / HOOK, ROOT / ".ci" / "run", ROOT / HOOK.with_name(".npmrc")):
        assert not re.search(r"https?://(?!127\.0\.0\.1)", path.read_text()), path
