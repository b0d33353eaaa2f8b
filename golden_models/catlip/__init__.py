"""CatLIP (arXiv 2404.15653): image-text pre-training as classification into the synsets that captions name."""
