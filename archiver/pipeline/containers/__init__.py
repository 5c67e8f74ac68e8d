"""Containers of audio: which one a body is, whether it is whole by its own lengths, and how long it plays.

A walker reads a container's structure to its last byte, in bounded memory and without a copy. It is ours because no
permissively licensed reader notices a cut file: they report the duration that a header promises.
"""
