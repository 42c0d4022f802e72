"""What a command needs before anything else: where the exchange is, who signs, and how long this disk
takes.
"""
