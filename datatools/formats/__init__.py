"""One file per annotation format: load_<fmt> reads files, from_<fmt> converts in memory."""
