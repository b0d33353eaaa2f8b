"""How much a model loses by compression, beside the quantisers that people use today."""
