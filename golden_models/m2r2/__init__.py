"""M2R2 (arXiv 2502.02040), inspired by it: its equations are recollected and unverified.

Written without any cache: both streams of a whole text are run anew for every token. Read ``residuals`` first,
then what the fast stream is good for: ``exits`` (leave early), ``speculation`` (draft early, verify exactly) and
``experts``.

There is no code of the authors'. Acceptance of drafts is as in LayerSkip's ``self_speculation_generator.py``, the
cache of experts as in ``expert_cache.py`` of mixtral-offloading, both read and not run. Recollected: both streams'
equations, the adapters and their training, ARLA and its loss, and which gate predicts which layer's experts.
"""
