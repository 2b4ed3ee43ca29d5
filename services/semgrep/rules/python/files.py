import logging
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

logger = logging.getLogger(__name__)


def unpack(path, folder):
    with tarfile.open(path) as archive:
        # ruleid: python-archive-traversal
        archive.extractall(folder)
        # ok: python-archive-traversal
        archive.extractall(folder, filter="data")
    with zipfile.ZipFile(path) as archive:
        # ok: python-archive-traversal
        archive.extractall(folder)


def unpack_by_hand(path, folder):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            target = os.path.join(folder, member.filename)
            # ruleid: python-archive-member-path
            with open(target, "wb") as file:
                file.write(archive.read(member))
            # ok: python-archive-member-path
            with open(os.path.join(folder, os.path.basename(member.filename)), "wb") as file:
                file.write(archive.read(member))


def scratch(text):
    # ruleid: python-mktemp
    first = tempfile.mktemp(".txt")
    # ok: python-mktemp
    second = tempfile.NamedTemporaryFile(suffix=".txt")
    # ruleid: python-shared-temporary-path
    third = open("/tmp/report.txt", "w")
    # ruleid: python-shared-temporary-path
    Path("/tmp/report.txt").write_text(text)
    # ok: python-shared-temporary-path
    fourth = open("/srv/report.txt", "w")
    return first, second, third, fourth


def permit(path):
    # ruleid: python-open-permissions
    os.chmod(path, 0o777)
    # ruleid: python-open-permissions
    Path(path).chmod(0o666)
    # ruleid: python-open-permissions
    os.chmod(path, stat.S_IRUSR | stat.S_IWOTH)
    # ok: python-open-permissions
    os.chmod(path, 0o600)
    # ok: python-open-permissions
    os.chmod(path, 0o755)


def write_once(path, text):
    if not os.path.exists(path):
        # ruleid: python-check-then-open
        open(path, "w").write(text)
    if os.access(path, os.R_OK):
        # ruleid: python-check-then-open
        open(path).read()
    if os.path.exists(path):
        # ok: python-check-then-open
        open(path).read()
    # ok: python-check-then-open
    open(path, "x").write(text)


def connect(user, password, settings):
    # ruleid: python-logged-secret
    logger.info("connecting as %s with %s", user, password)
    # ruleid: python-logged-secret
    logger.debug(f"key {settings.api_key}")
    # ruleid: python-logged-secret
    print("secret:", settings.client_secret)
    # ok: python-logged-secret
    logger.info("connecting as %s", user)
    # ok: python-logged-secret
    logger.info("key ends in %s", settings.api_key[-4:])
    # ok: python-logged-secret
    logger.info("has a key: %s", bool(settings.api_key))
