"""HTTP and WebSocket: sessions, and what each request is answered."""
