"""SeedLM (arXiv 2410.10714): weights stored as LFSR seeds and a few coefficients.

Read in this order: ``block_format`` (what a block word holds), ``lfsr`` (what a seed stands for),
``codec`` (weights to words and back), ``datapath`` (the integer arithmetic the hardware equals).
``block_format`` imports nothing but the standard library, so that hardware can be elaborated
without PyTorch.
"""
