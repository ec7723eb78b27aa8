"""StoreReader that asks another process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.questions import StoreQuestion, decode_answer, encode_question
from marketprism_application.errors import error_of

if TYPE_CHECKING:
    import pyarrow as pa

Call = Callable[[bytes], Awaitable[bytes]]


class RemoteReader:
    """Fulfils `StoreReader`; `call` carries a question's bytes there and the answer's bytes back."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """What the other side answers.

        Raises:
            ApplicationError: the class of the code that the other side failed with. Whatever `call` raises.
        """
        try:
            return decode_answer(await self._call(encode_question(question)))
        except AnswerError as error:
            failure = error.failure
            raise error_of(failure.code, failure.message, retryable=failure.retryable) from error
