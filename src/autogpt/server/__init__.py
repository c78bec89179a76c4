"""An OpenAI-compatible API over one process that runs the models.

::

    HTTP -> connection (headers in time) -> guard (host, origin, key, room?) -> routes (openai.py)
         -> generation (rails, turn) -> engine_client ==socket==> engine_process -> inference.Engine

The front never imports torch. What crosses the socket is JSON, a line a message.
"""
