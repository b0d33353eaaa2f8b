"""What is right: readable PyTorch models of the papers' methods, one module a paper."""
