"""Pictures in a conversation: what a model that was taught pictures says about the last one.

Such a model was taught one thing, to label a picture or to say what it shows, so that is its
answer; what is written beside the picture it has no way to read. A model that writes text does not
see. The picture comes within the request (``openai.ImageUrl``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.server.api_errors import ApiError
from autogpt.server.openai import ChatRequest, TextFormat

__all__ = ["picture_of"]


def picture_of(request: ChatRequest, facts: Mapping[str, Any]) -> str | None:
    """Return the picture that is to be answered, a data URL; None for a model that writes text.

    Args:
        request: The conversation.
        facts: Of the model.

    Raises:
        ApiError: If the model does not see and there are pictures, or sees and there is none, or
            it cannot do what else is asked.
    """
    if facts.get("medium") != "picture":
        for place, message in enumerate(request.messages):
            if message.pictures:
                raise ApiError(
                    400, f"The model {request.model!r} does not see pictures.",
                    hint="GET /v1/models says which do: their medium is picture.",
                    param=f"messages.{place}.content",
                )  # fmt: skip
        return None
    last = request.messages[-1]
    if len(last.pictures) != 1:
        raise ApiError(
            400,
            f"The model {request.model!r} answers a picture: the last message must hold one, and "
            f"not {len(last.pictures)}.",
            param=f"messages.{len(request.messages) - 1}.content",
        )
    if facts.get("labels") == []:
        raise ApiError(
            400, f"The model {request.model!r} has no labels of its own.",
            hint="POST /v1/tasks/recognize takes them.",
            param="model",
        )  # fmt: skip
    form = request.response_format
    unable = {
        "tools": request.tools,
        "response_format": form is not None and not isinstance(form, TextFormat),
        "logprobs": request.logprobs,
        "logit_bias": request.logit_bias,
        "stop": request.stop,
        "n": (request.n or 1) > 1,
    }
    for name, wanted in unable.items():
        if wanted:
            raise ApiError(
                400, f"{name} is not for a model that labels or describes pictures.", param=name
            )
    return last.pictures[0]
