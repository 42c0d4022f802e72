"""The page: how a run stands, live in a browser.

state      a run's events -> what the page shows, a fold without I/O
hub        one state for all who look: a snapshot, then numbered deltas
gate       who may ask: Host, Origin, token
app        the ASGI application: files, the WebSocket, actions, documents
documents  the finished report and the certificates
assets/    HTML, style sheet and scripts, as they are served; no build step
"""
