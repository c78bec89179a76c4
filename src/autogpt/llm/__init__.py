"""The object a user holds: a loaded model that writes.

::

    gpt = autogpt.load("runs/tickets")
    print(gpt.generate("Dear customer,", max_tokens=64, seed=0).text)
    for chunk in gpt.stream("Dear customer,"):
        print(chunk.text, end="")
    gpt.generate("Is it late?", choices=["yes", "no"])

A prompt is text, which the model continues as it stands: nothing is put before it but the token
that some models expect before every text, and special tokens written in it stay text. An empty
prompt begins a new document. A list of messages is written out with the model's chat template and
answered.

What goes in and comes out passes the safety rails (``guarding``), as ``load(..., policy=)`` says.

``loading`` makes it, ``model`` is it, ``reading`` is what it says of texts without writing. Not
here: the decode loop (``inference.engine``), names of models (``core.refs``).
"""

from autogpt.llm.loading import load
from autogpt.llm.model import LLM

__all__ = ["LLM", "load"]
