"""Zip and tar archives as trees: members are read where they lie, nothing is unpacked beside the archive.

The headers are read here and not by zipfile and tarfile: those take the first or last of two members of one name without
a word, drop `..` from names, and in some versions of Python 3.11 hang or raise any exception on a crafted tar
(CVE-2024-6232, CVE-2025-8194).
"""
