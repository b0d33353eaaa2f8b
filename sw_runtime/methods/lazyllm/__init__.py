"""LazyLLM (arXiv 2407.14057): prompt tokens are computed only once something looks at them.

Read ``loop`` first. ``schedule`` says when how many tokens are left out, ``on_device`` keeps their sets in a device's
router, and ``text`` generates.
"""
