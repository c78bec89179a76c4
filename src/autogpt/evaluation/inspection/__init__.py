"""Look inside a model while it reads a text: what came in, who looked where, what would come next.

::

    found = autogpt.load("runs/mine").inspect("To be, or not to be")
    found.to_dict()                                  # everything, as plain values
    view.show(found, Console(), language="zh")       # in a terminal
    page.write_page(path, found, language="en")      # one HTML file that needs nothing else

``trace`` runs the real forward pass and takes down what passes by; ``inspection`` is what was
found; ``attention``, ``predictions`` and ``positions`` make its parts; ``view`` and ``page`` show
it, in the words of ``wording``. Not here: loading models (``llm``).
"""
