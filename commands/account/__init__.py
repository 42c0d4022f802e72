"""Commands that act on an account or look at it: `flatten`, `halt`, `clear-halt`, `status`, `link-signer`."""
