"""Another user of the host: sockets and lock files are this user's alone."""

import os
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from django_repid.brokers.database import bells
from django_repid.brokers.database.liveness import LockFiles
from django_repid.worker import cell_process

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets"),
]


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """Make files that everybody may write, unless the code says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where sockets go, in a shared folder of this test's own."""
    place = tmp_path_factory.mktemp("t")
    place.chmod(0o1777)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(place))
    return bells.folder_of("default")


@pytest.fixture
def locks() -> Iterator[LockFiles]:
    made = LockFiles()
    yield made
    for file in made._held.values():
        file.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_sockets_lie_where_only_their_user_gets(folder: Path) -> None:
    bell, path = bells._bind(folder)

    assert bell is not None
    assert path is not None
    assert mode(folder) == mode(folder.parent) == 0o700
    bell.close()


@pytest.mark.parametrize("rights", [0o701, 0o710, 0o770, 0o777, 0o702])
def test_a_folder_that_others_may_enter_is_not_used(folder: Path, rights: int) -> None:
    folder.parent.mkdir()
    folder.parent.chmod(rights)

    assert bells._bind(folder) == (None, None)


def test_a_folder_of_another_user_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)

    assert bells._bind(folder) == (None, None)


def test_a_link_in_the_place_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.parent.symlink_to(elsewhere)

    assert bells._bind(folder) == (None, None)
    assert list(elsewhere.iterdir()) == []


def test_a_ring_touches_nothing_in_a_folder_that_others_may_enter(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.parent.chmod(0o777)
    bait = folder / "bait"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(bait))  # nobody listens: a ring would remove it

    bells._send_datagrams(folder)

    assert bait.exists()


@pytest.mark.parametrize("database", ["a.sqlite3", "b/../a.sqlite3", "$(touch x).sqlite3"])
def test_the_name_of_a_database_is_no_part_of_the_sockets_path(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", database)

    found = bells.folder_of("default")

    assert found.parent == folder.parent
    assert found.name.isalnum()


def test_lock_files_lie_where_only_their_user_gets(tmp_path: Path, locks: LockFiles) -> None:
    database = str(tmp_path / "db.sqlite3")

    locks.acquire(database, 1)

    assert mode(tmp_path / "db.sqlite3-workers") == 0o700
    locks.release(database, 1)
    assert list(tmp_path.iterdir()) == []


def test_lock_files_are_private_themselves(tmp_path: Path, locks: LockFiles) -> None:
    locks.acquire(str(tmp_path / "db.sqlite3"), 1)

    assert mode(tmp_path / "db.sqlite3-workers" / "1.lock") == 0o600


def test_a_link_in_the_place_of_a_lock_file_is_not_followed(
    tmp_path: Path, locks: LockFiles
) -> None:
    """In a shared folder another user can make the workers' folder first."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place = tmp_path / "db.sqlite3-workers"
    place.mkdir(mode=0o700)
    (place / "1.lock").symlink_to(victim)

    with pytest.raises(OSError, match=r"1\.lock"):
        locks.acquire(str(tmp_path / "db.sqlite3"), 1)

    assert victim.read_text() == "precious"


@pytest.mark.parametrize("kind", ["open", "link"])
def test_a_workers_folder_that_others_may_write_to_is_not_used(
    kind: str, tmp_path: Path, locks: LockFiles
) -> None:
    place = tmp_path / "db.sqlite3-workers"
    if kind == "open":
        place.mkdir(mode=0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o777)
        place.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PermissionError, match=r"db\.sqlite3-workers"):
        locks.acquire(str(tmp_path / "db.sqlite3"), 1)

    assert not (place / "1.lock").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_workers_folder_of_another_user_is_not_used(tmp_path: Path, locks: LockFiles) -> None:
    place = tmp_path / "db.sqlite3-workers"
    place.mkdir(mode=0o755)
    os.chown(place, 12345, -1)

    with pytest.raises(PermissionError, match=r"db\.sqlite3-workers"):
        locks.acquire(str(tmp_path / "db.sqlite3"), 1)


def test_a_pipe_in_the_place_of_a_lock_file_is_not_waited_for(
    tmp_path: Path, locks: LockFiles
) -> None:
    place = tmp_path / "db.sqlite3-workers"
    place.mkdir(mode=0o700)
    os.mkfifo(place / "1.lock")

    assert not locks.held(str(tmp_path / "db.sqlite3"), 1)


def test_a_cell_imports_nothing_from_the_folder_that_its_worker_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may be started in a folder that others may write to."""
    (tmp_path / "queue.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])

    child = cell_process.Child()
    try:
        child.begin(time.monotonic() + 60, lambda: None)
    except cell_process.ProcessDied:
        pass  # it has met what is no queue
    finally:
        child.end()

    assert not (tmp_path / "sprung").exists()
