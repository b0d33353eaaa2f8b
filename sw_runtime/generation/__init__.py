"""Text from a model on a device: a token at a time, or by a paper's method that computes less.

Read ``continuation`` first; ``backbone`` brings a model to the methods, ``lazyllm`` prunes its prompt,
``fast_stream`` is what M2R2 adds to it and ``m2r2`` drafts and exits with that.
"""
