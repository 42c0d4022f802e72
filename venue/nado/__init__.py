"""The Nado wire: signing, the JSON codec and the client over trio-websocket."""
