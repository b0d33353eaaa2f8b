"""A model that answers over HTTP, as clients of OpenAI's API expect it."""
