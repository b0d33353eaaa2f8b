"""SeedLM (arXiv 2410.10714): weights stored as LFSR seeds and a few coefficients.

Read in this order: ``block_format`` (what a block word holds), ``lfsr`` (what a seed stands for),
``codec`` (weights to words and back), ``datapath`` (the integer arithmetic the hardware equals).
``block_format`` imports nothing but the standard library, so that hardware can be elaborated
without PyTorch.

There is no code of the authors'. The register, the order of its states and the block follow a NumPy replication
written from the paper's text, whose worked example is a test, and NanoSeedLM's ``lfsr.h``; both were read and not
run. Nothing here is recollected; the exponent's rule is ours, because the printed one leaves most codes unused.
"""
