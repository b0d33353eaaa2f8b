"""What a decoder on a device is made of: its tables of functions, and the commands of its program."""
