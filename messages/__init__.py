"""What the actors say to each other: frozen structs of scalars, nothing else.

Every message is immutable, so two actors that hold the same object hold the same facts for ever. `units` has
the number types, `wire` turns a message into bytes and back, the other modules hold one family of messages
each.
"""
