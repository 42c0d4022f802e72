"""Inputs that nobody should trust, by the million, against every reader of the venue's texts.

shapes    valid messages: the documented examples where they are present, and ones made from the codec's own
          structs
mutate    hostile changes to a message's structure, and to its bytes
targets   what reads what: streams, answers, archive, replies to orders
judge     the verdict on one input: no crash but the documented one, and no number that the text does not say

python -m tests.fuzz --inputs 1000000 --seed 1
"""
