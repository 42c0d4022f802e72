"""The key that everybody knows: the demo's and the examples'. Whoever sends it money gives it away, so
live modes refuse it.
"""

THROWAWAY_KEY = bytes([0x11]) * 32
"""Published in the exchange's own examples."""
THROWAWAY_ADDRESS = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
THROWAWAY_SENDER = THROWAWAY_ADDRESS + "64656661756c740000000000"
"""bytes32 of its subaccount "default"."""
