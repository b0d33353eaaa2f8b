"""CatLIP (arXiv 2404.15653): image-text pre-training as classification into the synsets that captions name.

Authors' code (apple/corenet), read and not run: ``labels`` follows ``wordnet_tagged_classification.py`` and
``datasets/utils/text.py``, ``vit`` follows ``classification/vit.py`` (its counts round to the paper's 105, 329 and
663 M), and the loss is that of ``loss_fn/classification/binary_cross_entropy.py``. ``transfer`` has no code to
follow: the paper describes it and does not state α. Nothing here is recollected.
"""
