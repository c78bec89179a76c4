"""Models in other formats, given back as the objects that a Hugging Face folder gives."""
