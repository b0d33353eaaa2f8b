"""Bitstreams: the accelerator with a board's memory and link, routed to the board's pins.

``python -m synth.bitstream BOARD`` makes one. Read in this order: ``targets`` (boards), ``top`` (what is put on
them), ``build`` (the tools), ``report`` (what they say), ``page`` (how it is shown).
"""
