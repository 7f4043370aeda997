"""A command for anyone with the files: does this receipt belong to these photos, and is it the market's?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from app.command_line import fail

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
MARKS = {True: "ok", False: "WRONG", None: "-"}


@click.command(name="verify-receipt")
@click.argument("receipt", type=FILE)
@click.option(
    "--photo",
    "photos",
    type=FILE,
    multiple=True,
    help="A photo as it came (variant=original), not a copy; as often as there are photos.",
)
@click.option(
    "--key", required=True,
    help="The market's key in hexadecimal, or a file of it or of the answer of GET /v1/keys/receipts.",
)  # fmt: skip
def verify_receipt(receipt: Path, photos: tuple[Path, ...], key: str) -> None:
    """Check a downloaded receipt against photos, without any server. Exit status 1 when something is wrong."""
    from sensors.receipt import genuine, verify

    found = verify(receipt.read_bytes(), [each.read_bytes() for each in photos], _market_key(key))
    for each in found:
        click.echo(f"{MARKS[each.ok]:5}  {each.what}: {each.detail}")
    if not genuine(found):
        sys.exit(1)


def _market_key(given: str) -> bytes:
    """The 32 bytes that the option names: spelled out, in a file, or in the market's own answer, saved or pasted."""
    try:
        text = Path(given).read_text() if len(given) != 64 and "{" not in given and Path(given).is_file() else given
        found = json.loads(text)["public_key"] if text.lstrip().startswith("{") else text
        market = bytes.fromhex(found.strip())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        market = b""
    if len(market) != 32:
        fail("--key is 64 hexadecimal digits, or a file that holds them or the answer of GET /v1/keys/receipts")
    return market
