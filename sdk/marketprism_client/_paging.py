"""Pages of an answer that one message does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.plain_table import Table
from marketprism_application.contracts.questions import Records, key_of, next_of
from marketprism_client._failures import QueryFailed
from marketprism_client._names import Directory
from marketprism_client._session import Session


async def pages_ahead(session: Session, directory: Directory, question: Records) -> AsyncIterator[Table]:
    """All pages of a question, one after the other. The next one is asked for before one is given out: it is made
    while that is worked on.

    Raises:
        QueryFailed: the read side cannot answer, or refuses; `directory` says what a name was not found.
    """
    loop = asyncio.get_running_loop()
    asking: asyncio.Task[tuple[Table, Records]] | None = loop.create_task(_page(session, question))
    try:
        while asking is not None:
            page, question = await asking
            after = next_of(page)
            if after is None and page.num_rows >= question.limit and not question.fields:
                after = key_of(KINDS[question.kind], page)  # of a read side that does not say whether there is more
            asking = None
            if after is not None and not question.last:
                question = msgspec.structs.replace(question, after=after)
                asking = loop.create_task(_page(session, question))
            yield page
    except QueryFailed as error:
        raise await directory.by_class(error) from error
    finally:
        if asking is not None:  # whoever wanted no more
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _page(session: Session, question: Records) -> tuple[Table, Records]:
    """A page, of fewer rows where so many do not fit into a message; and the question that it answers."""
    while True:
        try:
            return await session.ask(question), question
        except QueryFailed as error:
            if error.code != Code.RESPONSE_TOO_LARGE or question.last or question.limit == 1:
                raise
            question = msgspec.structs.replace(question, limit=question.limit // 2)


__all__ = ["pages_ahead"]
