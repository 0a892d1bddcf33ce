"""`ringfence keys`: a silo's keys, and new ones for a dataset."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, LedgerKey, StoreDir, Url
from ringfence.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="A silo's keys.")


@dataclass(frozen=True)
class NewOptions:
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the key goes; FILE.sign and FILE.pub beside it.")]


@dataclass(frozen=True)
class RotateOptions:
    url: Url
    keys: KeyFile
    to: Annotated[Path, typer.Option(metavar="FILE", help="The new key file (see: ringfence keys new).")]
    signer: Annotated[
        bool, typer.Option("--signer", help="Hand over to FILE.sign of the new keys too; the old one signs that.")
    ] = False
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Seal every shard anew and destroy the old ones: the old key leaked.")
    ] = False
    ledger_key: LedgerKey = None
    store: StoreDir = None


@command(app, "new")
def new(options: NewOptions, out: Output) -> None:
    """Make a silo's keys: FILE opens its shards, FILE.sign signs as their owner, FILE.pub may be known to all."""
    from ringfence.shards.keys import new_keys

    with suppress(OSError):  # new_keys says what cannot be written
        options.file.parent.mkdir(parents=True, exist_ok=True)
    public = new_keys(options.file)
    files = [str(options.file) + ending for ending in ("", ".sign", ".pub")]
    lines = [
        f"{files[0]}  opens the shards; a job of this silo mounts it",
        f"{files[1]}  signs manifests and budgets; it never leaves the owner",
        f"{files[2]}  {public}",
    ]
    out.result({"files": files, "public": public}, lines)


@command(app, "rotate")
def rotate(options: RotateOptions, out: Output) -> None:
    """Wrap a dataset's shard keys under a new key: one new manifest, no shard is touched.

    Whoever has the old key and an old manifest still has the shard keys: if the old key leaked, use --reseal.
    """
    from ringfence.cli.owner import opened_keys, remembered, stages, witness
    from ringfence.shards.request import SealKeys
    from ringfence.shards.rotate import Rotation
    from ringfence.shards.rotate import rotate as rotated
    from ringfence.store import Stores

    old, new_pair = opened_keys(options.keys, options.ledger_key), opened_keys(options.to, None)
    signer = new_pair.signer if options.signer else old.signer
    rotation = Rotation(
        url=options.url,
        old=old,
        new=SealKeys(new_pair.kek, signer, old.ledger_signer),
        reseal=options.reseal,
        witness=witness(),
    )
    with out.progress() as progress:
        manifest = rotated(rotation, Stores(options.store), stages(progress))
    remembered(manifest)
    kek = next((shard.kek for shard in manifest.shards), None)
    document = {"url": options.url, "version": manifest.version, "kek": kek, "signer": manifest.owner}
    lines = [
        f"{options.url}: version {manifest.version}, keys wrapped under {kek}",
        f"signed by {manifest.owner}",
        "in a cluster, keep the new key in the silo's Secret as kek-next until running jobs have ended, then as kek",
    ]
    if options.signer:
        lines.append(f"the ledger keeps the key that opened it: keep {options.keys}.sign for `--ledger-key`")
    elif new_pair.public != old.public:
        lines.append(f"{options.keys}.sign signs on: copy it and {options.keys}.pub beside {options.to}")
    out.result(document, lines)
