"""A command for anyone with the files: does this receipt belong to these photos, and is it the market's?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.command_line import fail

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
MARKS = {True: "ok", False: "WRONG", None: "-"}


@click.command(name="verify-receipt")
@click.argument("receipt", type=FILE)
@click.option("--photo", "photos", type=FILE, multiple=True, help="A photo as it came; as often as there are photos.")
@click.option("--key", required=True, help="The market's key in hexadecimal (GET /v1/keys/receipts), or a file of it.")
def verify_receipt(receipt: Path, photos: tuple[Path, ...], key: str) -> None:
    """Check a downloaded receipt against photos, without any server. Exit status 1 when something is wrong."""
    from sensors.receipt import genuine, verify

    try:
        text = Path(key).read_text() if len(key) != 64 and Path(key).is_file() else key
        market = bytes.fromhex(text.strip())
    except (OSError, ValueError):
        market = b""
    if len(market) != 32:
        fail("--key is 64 hexadecimal digits, or a file that holds them")
    found = verify(receipt.read_bytes(), [each.read_bytes() for each in photos], market)
    for each in found:
        click.echo(f"{MARKS[each.ok]:5}  {each.what}: {each.detail}")
    if not genuine(found):
        sys.exit(1)
