"""AFM, Apple Intelligence Foundation Language Models (arXiv 2407.21075), and its successor AFMTextV7.

The report's body was read only through other accounts (second-hand); AFMTextV7 is known from code.
"""
