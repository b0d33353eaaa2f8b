"""The token router: selection, filters, bitmaps, prefixes and an expert cache on integers.

Ten methods share these primitives. Every float is turned into an integer once, by ``formats``;
from there on golden models, emulated unit and hardware are equal integer for integer.

Read in this order: ``formats`` (numbers and keys), ``rates`` (what a drop rate means), then the
primitives ``keys``, ``selection``, ``bitmaps``, ``prefix``, ``segments`` and ``cache``, which are
functions of tensors. ``descriptor`` (what a command word holds), ``legality`` (which commands are
refused) and ``unit`` (commands and data in, answers out) are the same primitives behind the
hardware's interface. ``descriptor`` and ``legality`` import nothing but the standard library, so
that hardware can be elaborated without PyTorch.
"""
