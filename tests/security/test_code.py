"""What the package's own code never does, read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_repid

PACKAGE = Path(django_repid.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

#: Modules that make objects, or code, of stored bytes.
LOADERS = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
#: Calls that run text as code. `yaml.load` and its kin go by their last name.
RUNNERS = {"eval", "exec", "compile", "__import__", "execfile"}
YAML = {"load", "load_all", "unsafe_load", "full_load"}
#: The modules that start a process or import by a name, and what they take those names from.
IMPORTERS = {
    "__init__.py",  # a table of its own
    "discovery.py",  # the installed apps
    "connections.py",  # the settings
    "worker/cell_child.py",  # its worker: where a registered actor stands
    "worker/child_setup.py",  # its worker: Django's own set-up
}
STARTERS = {
    *("management/serving.py", "management/supervisor.py"),  # this very command
    "worker/cell_process.py",  # a cell, for a registered actor
    "worker/dependency_pool.py",  # for what registered actors depend on
}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))


def imported(path: Path) -> set[str]:
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def called(path: Path) -> set[str]:
    return {ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)}


def there(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=there)
def test_no_module_imports_what_makes_objects_of_stored_bytes(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    assert roots & LOADERS == set()


@pytest.mark.parametrize("path", FILES, ids=there)
def test_no_module_runs_text_as_code(path: Path) -> None:
    calls = called(path)
    assert calls & RUNNERS == set()
    assert {name for name in calls if name.startswith("builtins.")} == set()
    assert {name for name in calls if name.startswith("yaml.") and name[5:] in YAML} == set()


def test_only_settings_and_apps_say_what_is_imported_by_name() -> None:
    users = {
        there(path)
        for path in FILES
        if imported(path)
        & {"importlib", "importlib.import_module", "django.utils.module_loading.import_string"}
    }
    assert users == IMPORTERS


def test_only_a_worker_starts_processes_and_no_shell_ever() -> None:
    users = {
        there(path)
        for path in FILES
        if any(name.startswith(("subprocess.", "os.system", "os.popen")) for name in called(path))
        or any("create_subprocess" in name for name in called(path))
        or any(name.startswith("multiprocessing") for name in imported(path))
        or "concurrent.futures.ProcessPoolExecutor" in imported(path)
    }
    shells = {there(p) for p in FILES if any("_shell" in name for name in called(p))}
    shells |= {
        there(path)
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.keyword) and node.arg == "shell"
    }
    assert users == STARTERS
    assert shells == set()


def test_html_is_marked_as_safe_nowhere() -> None:
    """`format_html` escapes what it is given; these would not."""
    unsafe = {"mark_safe", "SafeString", "html_safe"}
    users = {
        there(path)
        for path in FILES
        if {name.rpartition(".")[2] for name in called(path)} & unsafe
        or any(isinstance(node, ast.Attribute) and node.attr == "__html__" for node in nodes(path))
    }
    assert users == set()


def test_the_scan_sees_what_it_is_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import pickle\nfrom marshal import loads\neval('1')\nyaml.load(x)\n")

    assert {name.split(".")[0] for name in imported(bad)} >= {"pickle", "marshal"}
    assert called(bad) >= {"eval", "yaml.load"}
