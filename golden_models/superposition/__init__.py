"""Superposition prompting (arXiv 2404.06910): documents read side by side, each with a query of its own.

A prompt is a graph, ``preamble → (document_i → query_i) for every i → task``, that the paper calls ForkJoin. Paths
do not see one another; the task, and the response after it, sees those that were kept. Where the paper's equations and
the authors' code (apple/ml-superposition-prompting) differ, this follows the code.

``forkjoin`` holds the graph and what is decided on it, ``prompting`` reads a prompt with a decoder.

Authors' code, read and not run: ``forkjoin`` follows
``src/transformers/prompting/superposition/{core,forkjoin}.py`` of its ``transformers.patch``, hops follow
``superposition_hops`` with ``flows/musique/main.py``. Nothing here is recollected.
"""
