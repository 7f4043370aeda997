"""What an operator is told: where the running system answers, what evidence rests on; no folder is made by mistake."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app import config as configuration
from app import doctor_evidence, running
from app.config import Config, without_settings
from app.doctor_findings import Finding
from app.supervisor import System
from tests.app.test_cli import sensorium
from tests.conftest import throw_away_folder


def only(found: Iterator[Finding]) -> Finding:
    (finding,) = found
    return finding


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    return lambda **settings: configuration.load({"SENSORIUM_DATA_DIR": str(tmp_path), **settings})


def test_the_doctor_names_the_address_that_answers(tmp_path: Path) -> None:
    with throw_away_folder() as folder, (tmp_path / "output").open("wb") as output:
        with System(folder, port=0, environment=without_settings(os.environ), output=output) as system:
            said = sensorium("doctor", "--data-dir", str(folder))
            assert said.returncode == 0, said.stdout
            assert f"at {system.url}" in said.stdout and ":8000" not in said.stdout
            assert f"ok      running      `sensorium run` (pid {os.getpid()}), at {system.url}" in said.stdout
            assert f"the bundled sandbox, at {system.stripe_url}" in said.stdout
            for subject in ("c2pa", "shows", "decoding"):
                assert f"ok      {subject} " in said.stdout, said.stdout
            # What is said of operators stands under operators.
            lines = system.told()
            at = next(index for index, line in enumerate(lines) if line.startswith("operators"))
            assert "sensorium operator add" in lines[at + 1] and lines[-1].startswith("stripe")
        assert not (folder / "run.json").exists()
        assert "no `sensorium run`" in sensorium("doctor", "--data-dir", str(folder)).stdout


@pytest.mark.parametrize(
    "note", [b"", b"{}", b'{"pid": 99999999, "public_url": "x", "stripe_api_base": ""}', b'{"pid": -0.5}']
)
def test_a_note_of_one_that_was_killed_is_none(tmp_path: Path, note: bytes) -> None:
    assert running.find(tmp_path) is None
    (tmp_path / "run.json").write_bytes(note)
    assert running.find(tmp_path) is None
    running.note(tmp_path, "http://127.0.0.1:1", "")
    found = running.find(tmp_path)
    assert found is not None and found.public_url == "http://127.0.0.1:1"
    running.forget(tmp_path)
    running.forget(tmp_path)
    assert running.find(tmp_path) is None


@pytest.mark.parametrize("made", [False, True])
def test_judging_again_makes_no_system_in_a_folder_that_was_mistyped(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "typo"
    if made:
        folder.mkdir()
    said = sensorium("rejudge", "--data-dir", str(folder))
    assert said.returncode == 1 and "holds no system" in said.stderr
    assert folder.exists() == made and (not made or list(folder.iterdir()) == [])


def certificate(until: datetime) -> bytes:
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A maker")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, until - timedelta(days=900), until)
    return made.sign(key, None).public_bytes(Encoding.PEM)


def test_trusted_certificates_are_counted_and_old_ones_told(configured: Callable[..., Config], tmp_path: Path) -> None:
    assert only(doctor_evidence.anchors(configured())).status == "ok"
    now, file = datetime.now(UTC), tmp_path / "anchors.pem"
    file.write_bytes(certificate(now + timedelta(days=9)) + certificate(now + timedelta(days=8)))
    trusting = configured(SENSORIUM_C2PA_ANCHORS=str(file))
    assert "2 certificates" in only(doctor_evidence.anchors(trusting)).detail
    file.write_bytes(certificate(now + timedelta(days=9)) + certificate(now - timedelta(days=1)))
    found = only(doctor_evidence.anchors(trusting))
    assert found.status == "warn" and "1 of them no longer valid" in found.detail
    file.write_bytes(b"nothing")
    assert only(doctor_evidence.anchors(trusting)).status == "broken"


def test_the_endpoint_is_reached_and_not_asked(configured: Callable[..., Config]) -> None:
    assert only(doctor_evidence.shows(configured())).status == "ok"
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1/chat/completions"
        named = {"SENSORIUM_SHOWS_PROTOCOL": "openai", "SENSORIUM_SHOWS_URL": url, "SENSORIUM_SHOWS_MODEL": "eyes-1"}
        found = only(doctor_evidence.shows(configured(**named)))
        assert found.status == "ok" and "eyes-1" in found.detail
        server.settimeout(5)
        connection, _ = server.accept()
        assert connection.recv(100) == b""
        connection.close()
    assert only(doctor_evidence.shows(configured(**named))).status == "warn"


def test_a_child_that_cannot_open_photos_is_told(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert only(doctor_evidence.decoding(configured())).status == "ok"

    async def fail(config: Config) -> None:
        raise OSError("no processes left")

    monkeypatch.setattr(doctor_evidence, "_open_one", fail)
    found = only(doctor_evidence.decoding(configured()))
    assert found.status == "broken" and "no processes left" in found.detail
