"""`run --paper`: the market of the exchange, an account at an exchange engine in this process."""
