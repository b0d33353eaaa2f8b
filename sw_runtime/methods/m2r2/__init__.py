"""M2R2 (arXiv 2502.02040), inspired by it: its equations are recollected and unverified.

Read ``residuals`` first, then what the fast stream is good for: ``exits`` (leave early), ``speculation``
(draft early, verify exactly) and ``experts`` (load ahead of time). ``fit`` and ``expert_gates`` fit what is
learnt, ``fast_stream`` keeps it in a file, ``on_device`` is the router's part, and ``text`` generates.
"""
