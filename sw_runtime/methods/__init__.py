"""Text from a model on a device: a token at a time, or by a paper's method that computes less.

Read ``continuation`` first; ``decoder`` is the model as the methods drive it. Each method has a package: its
loop, what a device does for it (``on_device``) and, where it learns something, its fit. The golden models of the
same names are other, slower formulations, which tests compare with these.
"""
