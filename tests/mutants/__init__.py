"""The real code, broken on purpose, one rule at a time: whoever proves something must notice when it is no
longer true.
"""
