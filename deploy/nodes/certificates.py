"""A team's own authority, and a certificate for the nats-server of each node."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from marketprism_sdk.private_files import write_private

_AUTHORITY_DAYS, _NODE_DAYS, _RENEWED_DAYS = 3_650, 730, 60
_KEY_OF_NODES = {  # what a certificate may be used for, by RFC 5280
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": True,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}
_KEY_OF_AUTHORITY = dict.fromkeys(_KEY_OF_NODES, False) | {"key_cert_sign": True, "crl_sign": True}


@dataclass(frozen=True)
class Authority:
    """Signs for the nodes of one team; its key never leaves the machine that makes their files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """What clients and servers know it by."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def authority_in(folder: Path) -> Authority:
    """The authority of a folder, `ca.pem` and `ca.key`; made where there is none, good for ten years.

    Raises:
        OSError, ValueError: a file cannot be read or written, or is none of PEM.
    """
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not key.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "MarketPrism nodes")])
        signed = (
            _begun(name, made.public_key(), name, _AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(**_KEY_OF_AUTHORITY), critical=True)
            .sign(made, hashes.SHA256())
        )
        write_private(certificate, signed.public_bytes(serialization.Encoding.PEM).decode("ascii"))
        write_private(key, _pem_of(made))
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(  # noqa: TRY004 (what a file holds, not what was passed)
            f"{key}: expected a key of an elliptic curve, was {type(loaded).__name__}"
        )
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)


def issue(authority: Authority, name: str, address: str, folder: Path) -> None:
    """`tls.crt` and `tls.key` of a node in a folder, for its address and name, good for two years; what is there stays
    while it is of this authority, for this address, and good for two months.

    Raises:
        OSError: a file cannot be written.
    """
    certificate, key = folder / "tls.crt", folder / "tls.key"
    if key.exists() and _good(certificate, authority, address):
        return
    made = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)), x509.DNSName(name)])
    uses = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH])
    signed = (
        _begun(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            made.public_key(),
            authority.certificate.subject,
            _NODE_DAYS,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**_KEY_OF_NODES), critical=True)
        .add_extension(uses, critical=False)  # routes: a node is a client of the others too
        .add_extension(names, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    write_private(key, _pem_of(made))
    write_private(certificate, signed.public_bytes(serialization.Encoding.PEM).decode("ascii"))


def _begun(name: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(issuer, name, key, x509.random_serial_number())
    # Clocks of machines differ, and a new certificate is used at once.
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
        now + datetime.timedelta(days=days)
    )


def _pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode("ascii")


def _good(path: Path, authority: Authority, address: str) -> bool:
    with contextlib.suppress(Exception):  # whatever is wrong with it: a new one is made
        found = x509.load_pem_x509_certificate(path.read_bytes())
        found.verify_directly_issued_by(authority.certificate)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        return ip_address(address) in names.get_values_for_type(x509.IPAddress) and left.days >= _RENEWED_DAYS
    return False


__all__ = ["Authority", "authority_in", "issue"]
