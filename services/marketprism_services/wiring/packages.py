"""Whether the packages are here that the settings need, before anything is started that would end without them."""

from __future__ import annotations

from marketprism_adapters.clickhouse.server_url import is_native
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.extras import install_command, is_there
from marketprism_services.settings.settings import Settings


def check_packages(settings: Settings) -> None:
    """Whether the packages of the store are here, before anything starts that would end without them.

    Raises:
        SettingsError: says which is missing, and how to get it or do without.
    """
    store = settings.store
    if store.engine == "chdb" and not is_there("chdb"):
        raise SettingsError(
            f"store.engine: expected the package chdb for the embedded store, found none: {install_command('chdb')}, "
            "or give a ClickHouse server (--clickhouse URL)"
        )
    urls = (store.url, store.read_url) if store.engine == "clickhouse" else ()
    if any(is_native(url) for url in urls) and not is_there("clickhouse_driver"):
        raise SettingsError(
            "store.url: expected the package clickhouse-driver for clickhouse://, found none: "
            f"{install_command('clickhouse_driver')}, or give an http:// URL"
        )
