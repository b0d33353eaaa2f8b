"""Victor (arXiv 2410.14072): registers sum up visual tokens, which are left behind; a device says which rows stay."""
