"""Rails that every text passes on its way into a model and out of it. No torch.

``rails`` is the one path, ``policy`` what it decides by. What the rails find: ``secrets``,
``personal``, ``moderation``, ``injection``; ``grounding`` holds an answer against its source.
"""
