"""Files that are old or new, never half."""

import os

import pytest

from avanet.errors import InputError
from avanet.files import exists, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX limits")


def test_write_whole_replaces_or_leaves(tmp_path):
    path = tmp_path / "new" / "table.md"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="cannot write .*table.md: Is a directory"):
        write_whole(path, b"newer")
    assert [entry.name for entry in path.parent.iterdir()] == ["table.md"]


@posix
def test_write_whole_on_a_limit_leaves_the_old_file(tmp_path):
    import resource

    path = tmp_path / "table.md"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match="File too large"):
            write_whole(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.md"]


def test_what_exists(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to("nothing")
    assert exists(tmp_path) and exists(tmp_path / "file") and exists(str(tmp_path / "file"))
    for name in ("nothing", "file/below", "no\0name", "gone"):
        assert not exists(tmp_path / name)


@posix
def test_what_cannot_be_looked_at_is_not_taken_for_missing(reachable, unprivileged):
    (reachable / "closed").mkdir()
    (reachable / "closed" / "file").touch()
    (reachable / "closed").chmod(0)
    (reachable / "loop").symlink_to("loop")
    with unprivileged():
        for name, reason in (("closed/file", "Permission denied"), ("a" * 300, "name too long"),
                             ("loop", "symbolic links")):
            with pytest.raises(OSError, match=reason):
                exists(reachable / name)
    (reachable / "closed").chmod(0o755)
