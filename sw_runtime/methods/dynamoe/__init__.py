"""DynaMoE (arXiv 2502.12325): nested experts, chosen a token by its difficulty; a device makes the choice."""
