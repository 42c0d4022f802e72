"""The documented wire: requests in, the exchange's state out as the JSON of Nado. Needs no socket."""
