"""Keeps manifests in memory: snapshots never change, so what was read once stays right."""

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

from toolmesh_workspaces.manifest import Manifest


class ManifestCache:
    """Keeps the manifests that were used last, up to a number of files in all.

    A manifest is found by workspace and snapshot, never by the snapshot alone: who knows the id of
    another's snapshot must not get its file names.
    """

    def __init__(self, max_files: int = 400_000) -> None:
        self._max_files = max_files
        self._manifests: OrderedDict[tuple[str, str], Manifest] = OrderedDict()
        self._files = 0
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def turn(self, workspace: str, snapshot: str) -> asyncio.Lock:
        """Return the lock that is held while a manifest is loaded.

        Those who want the same one at once would else load it each, 100 MB at worst. Who has waited
        for the lock finds the manifest here, unless loading it failed.
        """
        return self._turns.setdefault((workspace, snapshot), asyncio.Lock())

    def get(self, workspace: str, snapshot: str) -> Manifest | None:
        """Return a manifest that is kept, or None."""
        manifest = self._manifests.get((workspace, snapshot))
        if manifest is not None:
            self._manifests.move_to_end((workspace, snapshot))
        return manifest

    def last_of(self, workspace: str) -> Manifest | None:
        """Return the manifest of a workspace that was used last, or None."""
        latest = reversed(self._manifests.items())
        return next((manifest for (owner, _), manifest in latest if owner == workspace), None)

    def put(self, workspace: str, manifest: Manifest) -> None:
        """Keep a manifest and drop those that were not used for longest."""
        self._files -= self._weight(self._manifests.pop((workspace, manifest.snapshot), None))
        self._manifests[workspace, manifest.snapshot] = manifest
        self._files += self._weight(manifest)
        while self._files > self._max_files and len(self._manifests) > 1:
            self._files -= self._weight(self._manifests.popitem(last=False)[1])

    @staticmethod
    def _weight(manifest: Manifest | None) -> int:
        return 0 if manifest is None else len(manifest.files) + 1
