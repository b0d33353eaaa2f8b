"""AFM, Apple Intelligence Foundation Language Models (arXiv 2407.21075), and its successor AFMTextV7.

The report's body was read only through other accounts (second-hand); AFMTextV7 is known from code.

The authors published no code of 2407.21075. ``palettise`` is compared, by running it, with torchao's
``dequantize_codebook``; the blocks of AFMTextV7 follow ``afm7.py`` of ml-explore/mlx-lm, read and not run.
Recollected: the equation of the policy gradient in ``training`` (its structure is second-hand) and the targets of
preference levels.
"""
