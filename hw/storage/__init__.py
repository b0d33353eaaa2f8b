"""Storage: a memory card in SPI mode, and what copies its image into a board's memory.

Read in this order: ``spi`` (bytes on the pins), ``commands`` (what a card is told), ``card`` (blocks out of a card),
``loader`` (an image into a memory).
"""
