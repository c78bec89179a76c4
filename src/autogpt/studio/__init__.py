"""The studio: the web page at ``/``, one more face of the same functions.

::

    browser -> page (HTML, ES modules) -> api (JSON) -> jobs (SQLite) -> runner -> worker
                                                                              -> autogpt VERB --json

What takes long is a job: a process of the public command line that outlives the server. The page
asks how far it is; nothing that matters is kept in the browser. Chat and single answers go to the
server's own API. ``api.Studio`` is put into a server.

Not here: models and tasks; the studio only shows what others do.
"""
