"""E-mail by SMTP; the library of Python does it, in a thread."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from marketprism_adapters.notifications.settings import MailSettings
from marketprism_application.errors import NotificationError, NotificationRefused, NotificationUnavailable
from marketprism_application.ports.notifications import ChannelLimits, Message
from marketprism_sdk.errors import reason_of
from marketprism_sdk.urls import HIDDEN


class MailChannel:
    """One mail a message, to all recipients."""

    def __init__(self, settings: MailSettings, *, timeout_s: float = 10.0) -> None:
        self.name = "mail"
        self.limits = ChannelLimits(20, 100_000)
        self._settings = settings
        self._timeout_s = timeout_s

    async def send(self, message: Message) -> None:
        """As `NotificationChannel`. One recipient that the server refuses is an error, though others may have it."""
        await asyncio.to_thread(self._send, message)

    def _send(self, message: Message) -> None:
        of = self._settings
        mail = EmailMessage()
        mail["Subject"] = " ".join(message.title.split())  # a line break would begin a header
        mail["From"], mail["To"] = of.sender, ", ".join(of.recipients)
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="marketprism.invalid")
        mail.set_content(message.text)
        try:
            with self._connected() as server:
                if of.smtp_user:
                    server.login(of.smtp_user, of.smtp_password.reveal())
                if refused := server.send_message(mail):
                    raise self._error(f"recipients refused: {refused}", min(code for code, _ in refused.values()))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise self._error(f"recipients refused: {error.recipients}", min(codes)) from None
        except smtplib.SMTPResponseException as error:
            said = (
                error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            raise self._error(f"SMTP {error.smtp_code} {said}", error.smtp_code) from None
        except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError, UnicodeError, ValueError) as error:
            raise self._error(reason_of(error), 500) from None
        except (smtplib.SMTPException, OSError) as error:
            raise self._error(reason_of(error), 400) from None

    def _connected(self) -> smtplib.SMTP:
        of = self._settings
        if of.smtp_tls == "none":
            return smtplib.SMTP(of.smtp_host, of.smtp_port, timeout=self._timeout_s)
        context = ssl.create_default_context()
        if of.smtp_ca is not None:
            context.load_verify_locations(of.smtp_ca)
        if of.smtp_tls == "tls":
            return smtplib.SMTP_SSL(of.smtp_host, of.smtp_port, timeout=self._timeout_s, context=context)
        server = smtplib.SMTP(of.smtp_host, of.smtp_port, timeout=self._timeout_s)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server

    def _error(self, text: str, code: int) -> NotificationError:
        secret = self._settings.smtp_password.reveal()
        shown = " ".join((text.replace(secret, HIDDEN) if secret else text).split())[:200]
        kind = NotificationRefused if code >= 500 else NotificationUnavailable
        return kind(f"{self.name}: {shown}")

    async def close(self) -> None:
        """A connection is open only while a mail is sent."""


__all__ = ["MailChannel"]
