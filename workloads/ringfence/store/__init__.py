"""Object stores: a local folder, S3 and MinIO behind one small interface with conditional writes."""

from ringfence.store.conditional import require_conditional_writes
from ringfence.store.folder import FolderStore
from ringfence.store.interface import ObjectInfo, ObjectVersion, Original, Store
from ringfence.store.open import Stores

__all__ = [
    "FolderStore", "ObjectInfo", "ObjectVersion", "Original", "Store", "Stores", "require_conditional_writes",
]  # fmt: skip
