"""M2R2 (arXiv 2502.02040), inspired by it: its equations are recollected and unverified.

Written without any cache: both streams of a whole text are run anew for every token. Read ``residuals`` first,
then what the fast stream is good for: ``exits`` (leave early), ``speculation`` (draft early, verify exactly) and
``experts``.
"""
