"""Where our process ends. `protocol` is all that actors know of a venue; `nado` speaks to Nado;
`simulated` is a Nado to practise on.
"""
